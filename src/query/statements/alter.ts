import { clickhouseError } from '../../errors.ts';
import { SECRET_SETTINGS, withoutPossibleSecrets, withUserComment } from '../../engine/index.ts';
import { mentionsIdentifier, quoteString, replaceSpan, splice, textOf, type AlterTable, type Edit } from '../../sql/index.ts';
import { findLanding, forwardAndReconcile, printedObject, reconcileOf, type StatementContext, type TableId } from '../context.ts';
import { requireGrants, shownName } from '../grants.ts';
import { forwardViewChange } from './create-materialized-view.ts';
import type { Action } from '../types.ts';

/** ALTER of a managed table can do what it can do to a real one: change comments. Of anything else it is the server's. */
export async function alter(statement: AlterTable, context: StatementContext): Promise<Action> {
  const landing = await findLanding(statement.name, context);
  if (landing === undefined) {
    const isViewChange = statement.commands.some(({ type }) => type === 'MODIFY_QUERY');
    if (!isViewChange) return forwardWithoutSecrets(statement, context);
    return forwardViewChange(context, [`ALTER VIEW MODIFY QUERY ON ${printedObject(statement.name)}`]);
  }
  for (const command of statement.commands) {
    const refusal = refusalOf(command);
    if (refusal === undefined) continue;
    // Whoever may not even see the table must not hear what it is.
    if (landing.comment === undefined) await requireGrants([`${privilegeOf(command)} ON ${shownName(landing)}`], context.session);
    return { kind: 'refuse', exception: refusal };
  }
  const edits: Edit[] = [];
  for (const { comment } of statement.commands) {
    if (comment === undefined) continue;
    const changed = withUserComment(await definitionOf(landing, context), comment.value);
    // The client's own text would take the definition's place, which perhaps another version of the gateway can read.
    if (changed === undefined)
      throw clickhouseError('SUPPORT_IS_DISABLED', `The definition of ${shownName(landing)} cannot be read by this gateway`);
    edits.push(replaceSpan(comment.span, quoteString(changed)));
  }
  return { kind: 'run', sql: splice(context.text, edits), after: reconcileOf(context.options) };
}

/** The comment may be changed by somebody who may not see it. Empty when it cannot be had. */
async function definitionOf(landing: TableId & { readonly comment?: string }, { session, options }: StatementContext): Promise<string> {
  if (landing.comment !== undefined) return landing.comment;
  // It stands in the client's query then, which the server may log.
  await requireGrants([`ALTER MODIFY COMMENT ON ${shownName(landing)}`], session);
  return (await options.commentOf?.(landing)) ?? '';
}

/** What the server asks for; ALTER, which is all of it, where that has another name than the command. */
function privilegeOf({ type, family }: Command): string {
  if (family === 'partition') return 'ALTER DELETE';
  const hasItsName = /^(?:(?:ADD|DROP)_(?:COLUMN|INDEX|CONSTRAINT|PROJECTION)|(?:MODIFY|RENAME|CLEAR)_COLUMN|UPDATE|DELETE)$/.test(type);
  return hasItsName ? `ALTER ${type.replace('_', ' ')}` : (OTHER_PRIVILEGES[type] ?? 'ALTER');
}

const OTHER_PRIVILEGES: Readonly<Record<string, string>> = {
  MODIFY_TTL: 'ALTER TTL',
  REMOVE_TTL: 'ALTER TTL',
  MODIFY_SETTING: 'ALTER SETTINGS',
  RESET_SETTING: 'ALTER SETTINGS',
  MODIFY_ORDER_BY: 'ALTER ORDER BY',
};

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
