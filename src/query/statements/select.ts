import { ClickHouseException, ERROR_CODES } from '../../errors.ts';
import { mentionsIdentifier, withoutOutput } from '../../sql/index.ts';
import type { StatementContext } from '../context.ts';
import { readsManaged } from '../managed-reads.ts';
import { refuse, refuseDirectSelect, refuseNotYet } from '../refusals.ts';
import type { Action } from '../types.ts';

const FINAL: ReadonlySet<string> = new Set(['FINAL', 'final']);
const ALLOWING = 'stream_like_engine_allow_direct_select';
const ALLOWED = new RegExp(`\\b${ALLOWING}\\s*=\\s*(?:1|true)\\b`, 'i');

/** A SELECT that reads a managed table is refused as by the real engine; every other one is the server's. */
export async function select(text: string, context: StatementContext): Promise<Action> {
  if (!(await readsManaged(text, context)) || !(await mayRead(text, context))) return { kind: 'forward' };
  if (mentionsIdentifier(text, FINAL)) return refuse('ILLEGAL_FINAL', "Storage Kafka doesn't support FINAL");
  // The door for reading messages by SELECT.
  const isAllowed = ALLOWED.test(text) || ['1', 'true'].includes(context.session.setting(ALLOWING)?.toLowerCase() ?? '');
  if (isAllowed) return refuseNotYet(`Direct SELECT from a Kafka table (${ALLOWING}) is`);
  return refuseDirectSelect();
}

/** Whoever may not read the table is told so by the server, before anything else. */
async function mayRead(text: string, { session }: StatementContext): Promise<boolean> {
  try {
    await session.query(`EXPLAIN ${withoutOutput(text)}`);
    return true;
  } catch (error) {
    if (error instanceof ClickHouseException) return error.code !== ERROR_CODES.ACCESS_DENIED;
    throw error;
  }
}
