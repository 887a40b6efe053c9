import { mayHoldSecrets } from '../engine/index.ts';
import { ClickHouseException, clickhouseError } from '../errors.ts';
import { firstWords, mentionsKafkaEngine, parseStatement, type ParseResult, type Statement } from '../sql/index.ts';
import { classify } from './classify.ts';
import { forwardAndReconcile, type DispatcherOptions, type StatementContext } from './context.ts';
import { refuseParallel } from './parallel-with.ts';
import { alter } from './statements/alter.ts';
import { createTable } from './statements/create-kafka-table.ts';
import { createView } from './statements/create-materialized-view.ts';
import { describe } from './statements/describe.ts';
import { dropCollection } from './statements/drop-collection.ts';
import { dropOrMove, truncateTables } from './statements/drop.ts';
import { insert } from './statements/insert.ts';
import { replayDeadLetters } from './statements/replay-dead-letters.ts';
import { select } from './statements/select.ts';
import { showCreate } from './statements/show-create.ts';
import { tableCommand } from './statements/table-command.ts';
import { refusalOfParser, refuseUnread } from './unread.ts';
import type { Action, Dispatcher } from './types.ts';

/** The one place where statements of both front ends are decided. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const latin1Names = memoize(ownNames);
  return {
    classify: (head, complete) => classify(head, complete, latin1Names(options.catalog.names())),
    dispatch: async (text, session) => {
      try {
        return guarded(await dispatch({ text, session, options }), options);
      } catch (error) {
        return { kind: 'refuse', exception: asException(error, options) };
      }
    },
  };
}

async function dispatch(context: StatementContext): Promise<Action> {
  const parsed = parseStatement(context.text);
  const refusal = await refuseParallel(parsed, context);
  if (refusal !== undefined) return refusal;
  return parsed.ok ? dispatchStatement(parsed.statement, context) : dispatchUnread(parsed, context);
}

async function dispatchStatement(statement: Statement, context: StatementContext): Promise<Action> {
  switch (statement.kind) {
    case 'create-table':
      return createTable(statement, context);
    case 'create-view':
      return createView(statement, context);
    case 'drop':
    case 'attach':
    case 'rename':
      return dropOrMove(statement, context);
    case 'truncate-tables':
      return truncateTables(statement, context);
    case 'drop-collection':
      return dropCollection(statement, context);
    case 'show-create':
      return showCreate(statement, context);
    case 'describe':
      return describe(statement, context);
    case 'exists':
      return { kind: 'forward' };
    case 'alter':
      return alter(statement, context);
    case 'optimize':
    case 'check':
    case 'delete':
    case 'update':
      return tableCommand(statement, context);
    case 'replay-dead-letters':
      return replayDeadLetters(statement, context);
    case 'insert':
      return insert(statement, context);
  }
}

/** A statement the grammar does not know: a query, or something that may still be about tables. Only a Kafka table must not slip through. */
async function dispatchUnread(parsed: ParseResult & { ok: false }, context: StatementContext): Promise<Action> {
  const [first = ''] = firstWords(context.text, 1).words;
  if (first === 'SELECT' || first === 'WITH' || first === 'FROM') return select(context.text, context);
  if (/^(?:CREATE|REPLACE|ATTACH)$/.test(first) && mentionsKafkaEngine(context.text)) return refuseUnread(context, parsed.position);
  // The server would log it as it is.
  const isAboutTable = /^(?:CREATE|REPLACE|ATTACH|ALTER)$/.test(first) && firstWords(context.text, 4).words.includes('TABLE');
  const refusal = isAboutTable && mayHoldSecrets(context.text) ? await refusalOfParser(context) : undefined;
  return refusal ?? forwardAndReconcile(context);
}

/** What `after` throws is an answer, too. */
function guarded(action: Action, options: DispatcherOptions): Action {
  if (action.kind === 'refuse' || action.after === undefined) return action;
  const { after } = action;
  return {
    ...action,
    after: async (signal, queryId) => {
      try {
        await after(signal, queryId);
      } catch (error) {
        throw asException(error, options);
      }
    },
  };
}

/** What is no answer of the server's is a fault of the gateway: logged, and told without its inner workings. */
function asException(error: unknown, { logger }: DispatcherOptions): ClickHouseException {
  if (error instanceof ClickHouseException) return error;
  logger.error({ err: error }, 'statement cannot be dispatched');
  return clickhouseError('ABORTED', 'The gateway failed to handle this statement, see its log', { cause: error });
}

/** What a query of ours mentions, as latin1: a managed table or, where there is any, the gateway's own table function. */
function ownNames(tables: ReadonlySet<string>): ReadonlySet<string> {
  const names = [...tables].map((name) => Buffer.from(name).toString('latin1'));
  return new Set(names.length === 0 ? [] : [...names, 'replayDeadLetters']);
}

/** Remembers the last answer for the same object. */
function memoize<In extends object, Out>(compute: (input: In) => Out): (input: In) => Out {
  let last: { input: In; output: Out } | undefined;
  return (input) => {
    if (last?.input !== input) last = { input, output: compute(input) };
    return last.output;
  };
}
