import { withoutPossibleSecrets } from '../engine/index.ts';
import { ClickHouseException } from '../errors.ts';
import type { StatementContext } from './context.ts';
import { refuse } from './refusals.ts';
import type { Action } from './types.ts';

const EXPLAIN = 'EXPLAIN AST ';

/**
 * Refuses a statement that would make a Kafka table and that the gateway cannot read at `position` of its text. The server's parser
 * decides whose fault it is: a syntax error is answered in its words, anything else is told as the gateway's limit.
 */
export async function refuseUnread(context: StatementContext, position: number): Promise<Action> {
  const { text } = context;
  const refusal = await refusalOfParser(context);
  if (refusal !== undefined) return refusal;
  const lines = text.slice(0, position).split('\n');
  const place = `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
  return refuse('NOT_IMPLEMENTED', `The gateway cannot read this CREATE TABLE … ENGINE = Kafka at ${place}`);
}

/**
 * What the server's parser has against a statement; undefined: nothing. A statement that cannot be read is logged by the server and quoted in its answer as it is, so
 * the parser is shown one without what may be secrets.
 */
export async function refusalOfParser({ text, session }: StatementContext): Promise<Action | undefined> {
  try {
    await session.query(`${EXPLAIN}${withoutPossibleSecrets(text)}`);
    return undefined;
  } catch (error) {
    if (error instanceof ClickHouseException) return { kind: 'refuse', exception: withoutExplain(error) };
    throw error;
  }
}

/** The exception with the positions of the client's own text. */
function withoutExplain({ code, exceptionName, text }: ClickHouseException): ClickHouseException {
  const moved = text
    .replace(/(failed at position )(\d+)/, (_, words: string, position: string) => `${words}${Number(position) - EXPLAIN.length}`)
    .replace(/(\(line 1, col )(\d+)/, (_, words: string, column: string) => `${words}${Number(column) - EXPLAIN.length}`);
  return new ClickHouseException(code, exceptionName, moved);
}
