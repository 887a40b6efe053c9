import { nameBehindOutbox, readPublicDefinition, showCreateText } from '../../engine/index.ts';
import { parseStatement, quoteIdentifierIfNeeded, replaceSpan, splice, type ShowTable } from '../../sql/index.ts';
import { definitionIn, readCreate, selectRows, type StatementContext } from '../context.ts';
import type { Action } from '../types.ts';

/** SHOW CREATE of a managed table, and of a view that writes to one, answers as if the real engine ran it. */
export async function showCreate(statement: ShowTable, { session }: StatementContext): Promise<Action> {
  if (statement.temporary || (statement.object !== 'TABLE' && statement.object !== 'VIEW')) return { kind: 'forward' };
  const shown = await readCreate(statement.name, session);
  const text = shown && (statement.object === 'TABLE' ? (ofTable(shown) ?? ofView(shown)) : ofView(shown));
  return text === undefined ? { kind: 'forward' } : { kind: 'run', sql: selectRows([{ name: 'statement' }], [[text]], statement.tail) };
}

function ofTable(shown: string): string | undefined {
  const comment = definitionIn(shown);
  const definition = comment === undefined ? undefined : readPublicDefinition(comment);
  return definition && showCreateText(shown, definition);
}

function ofView(shown: string): string | undefined {
  if (!shown.startsWith('CREATE MATERIALIZED VIEW')) return undefined;
  const parsed = parseStatement(shown);
  const target = parsed.ok && parsed.statement.kind === 'create-view' ? parsed.statement.target : undefined;
  const table = target && nameBehindOutbox(target.table);
  if (target?.database === undefined || table === undefined) return undefined;
  const name = [target.database, table].map(quoteIdentifierIfNeeded).join('.');
  return splice(shown, [replaceSpan(target.span, name)]);
}
