import type { ExecutionContext } from 'ava';
import { clickhouseError } from '../../../../src/errors.ts';
import { createHttpFrontEnd, type HttpFrontEndOptions } from '../../../../src/frontend/http/index.ts';
import { silentLogger } from '../../../../src/logger.ts';
import type { Action, ClientSession, Dispatcher } from '../../../../src/query/index.ts';
import { useClickHouse } from '../../../helpers/index.ts';

export interface TestFrontEnd {
  readonly url: string;
  close(): Promise<void>;
}

/** A front end for this test, in front of the shared ClickHouse unless `options` name another server; closed when the test ends. */
export async function useFrontEnd(t: ExecutionContext, options: Partial<HttpFrontEndOptions> = {}): Promise<TestFrontEnd> {
  const upstream = options.upstream ?? { url: (await useClickHouse(t)).url };
  const frontEnd = createHttpFrontEnd({
    host: '127.0.0.1',
    port: 0,
    upstream,
    dispatcher: forwardEverything,
    logger: silentLogger(),
    graceMs: 200,
    ...options,
  });
  const port = await frontEnd.listen();
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => (closing ??= frontEnd.close());
  t.teardown(close);
  return { url: `http://127.0.0.1:${port}`, close };
}

export const forwardEverything: Dispatcher = { classify: () => 'forward', dispatch: async () => Promise.resolve({ kind: 'forward' }) };

/** Answers statements that begin with the word MARKED by `act`, and forwards all others. What it was given is kept in `statements`. */
export function markedDispatcher(
  act: (statement: string, session: ClientSession) => Action | Promise<Action>,
): Dispatcher & { statements: string[] } {
  const statements: string[] = [];
  return {
    statements,
    classify: (head, complete) => {
      const start = head.trimStart().slice(0, 6).toUpperCase();
      if (start === 'MARKED') return 'whole';
      return !complete && 'MARKED'.startsWith(start) ? 'more' : 'forward';
    },
    dispatch: async (statement, session) => {
      statements.push(statement);
      return act(statement, session);
    },
  };
}

/** `run` the statement without its mark. */
export function runUnmarked(statement: string): Action {
  return { kind: 'run', sql: statement.replace(/^\s*MARKED\s*/i, '') };
}

export const refuseWithBadArguments = (): Action => ({ kind: 'refuse', exception: clickhouseError('BAD_ARGUMENTS', "It's refused\\here") });
