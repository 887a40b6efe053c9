import { clickhouseError } from '../../errors.ts';
import { SECRET_SETTINGS, withoutPossibleSecrets, withUserComment } from '../../engine/index.ts';
import { mentionsIdentifier, quoteString, replaceSpan, splice, textOf, type AlterTable, type Edit } from '../../sql/index.ts';
import { forwardAndReconcile, printedObject, readLanding, reconcileOf, type StatementContext } from '../context.ts';
import { forwardViewChange } from './create-materialized-view.ts';
import type { Action } from '../types.ts';

/** ALTER of a managed table can do what it can do to a real one: change comments. Of anything else it is the server's. */
export async function alter(statement: AlterTable, context: StatementContext): Promise<Action> {
  const landing = await readLanding(statement.name, context.session);
  if (landing === undefined) {
    const isViewChange = statement.commands.some(({ type }) => type === 'MODIFY_QUERY');
    if (!isViewChange) return forwardWithoutSecrets(statement, context);
    return forwardViewChange(context, [`ALTER VIEW MODIFY QUERY ON ${printedObject(statement.name)}`]);
  }
  for (const command of statement.commands) {
    const refusal = refusalOf(command);
    if (refusal !== undefined) return { kind: 'refuse', exception: refusal };
  }
  const edits = statement.commands.flatMap((command) => commentEdit(command, landing.comment));
  return { kind: 'run', sql: splice(context.text, edits), after: reconcileOf(context.options) };
}

/** Secrets of Kafka's are settings of no other table, so the statement fails, and the server would log their values with it. */
function forwardWithoutSecrets({ commands }: AlterTable, context: StatementContext): Action {
  const isHopeless = commands.every(
    ({ type, span }) => type === 'MODIFY_SETTING' && mentionsIdentifier(textOf(context.text, span), SECRET_SETTINGS),
  );
  if (!isHopeless) return forwardAndReconcile(context);
  return { kind: 'run', sql: withoutPossibleSecrets(context.text), after: reconcileOf(context.options) };
}

type Command = AlterTable['commands'][number];

function refusalOf({ type, family }: Command): ReturnType<typeof clickhouseError> | undefined {
  if (family === 'mutation') return clickhouseError('NOT_IMPLEMENTED', "Table engine Kafka doesn't support mutations");
  if (family === 'partition') return clickhouseError('NOT_IMPLEMENTED', "Table engine Kafka doesn't support partitioning");
  if (type === 'MODIFY_COMMENT' || type === 'COMMENT_COLUMN') return undefined;
  if (type === 'MODIFY_TTL') return clickhouseError('BAD_ARGUMENTS', "Engine Kafka doesn't support TTL clause");
  if (type === 'REMOVE_TTL') return clickhouseError('BAD_ARGUMENTS', "Table doesn't have any table TTL expression, cannot remove");
  if (type === 'RESET_SETTING')
    return clickhouseError('BAD_ARGUMENTS', "Cannot alter settings, because table engine doesn't support settings changes");
  return clickhouseError('NOT_IMPLEMENTED', `Alter of type '${type}' is not supported by storage Kafka`);
}

function commentEdit({ comment }: Command, definition: string): Edit[] {
  const changed = comment && withUserComment(definition, comment.value);
  return comment === undefined || changed === undefined ? [] : [replaceSpan(comment.span, quoteString(changed))];
}
