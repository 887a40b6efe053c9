import { TextDecoder } from 'node:util';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  forward,
  httpStatusOf,
  type AnswerOptions,
  type ForwardedBody,
  type ForwardedRequest,
  type Upstream,
} from '../../clickhouse/index.ts';
import { ClickHouseException, clickhouseError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Action, ClientSession, Dispatcher, OnAnswer } from '../../query/index.ts';
import { readFormText, withoutFormText } from './form.ts';
import { statementLimitBytes } from '../statement-memory.ts';
import { filterHeaders } from './headers.ts';
import { changeParameters, findParameter } from './parameters.ts';
import { ClientGone, nothingRead, takeArrived, type ReadBytes, type ReadLimits } from './peek.ts';
import { exceptionRewriter, failureAnswer } from './exception-answer.ts';
import { refusalHead, refusalStatement } from './refusal.ts';
import { successAfterAll, withWrittenRows } from './summary.ts';
import { lengthened, restOf, withOtherStart } from './replace-start.ts';
import { readRequest, type StatementRequest } from './request.ts';
import { createClientSession } from './session.ts';
import { classifyBody, classifyUrl, isInsert, readStatement, type ReadStatement } from './statement.ts';

export interface RequestContext {
  readonly upstream: Upstream;
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
  readonly limits: ReadLimits;
}

/** One request between its client and the server. */
interface Exchange {
  readonly context: RequestContext;
  readonly client: IncomingMessage;
  readonly answer: ServerResponse;
  /** Path and query string as the client wrote them. */
  readonly target: string;
  readonly read: ReadBytes;
}

/**
 * One HTTP request, from its head to the end of its answer: find the statement, ask the dispatcher by its first words, then forward it
 * (nearly always) or read it whole and do what the dispatcher says.
 */
export function handleRequest(context: RequestContext, client: IncomingMessage, answer: ServerResponse, target: string): void {
  const exchange: Exchange = { context, client, answer, target, read: nothingRead(context.limits) };
  const request = readRequest(client.method ?? '', target, client.headers);
  if (request === undefined) {
    forwardUnchanged(exchange);
    return;
  }
  const decision = classifyUrl(request, (head, complete) => context.dispatcher.classify(head, complete));
  if (decision === 'forward') forwardUnchanged(exchange);
  else {
    const handled = decision === 'whole' ? handleUrl(exchange, request) : handleBody(exchange, request);
    handled.catch(whenFailed(exchange));
  }
}

async function handleUrl(exchange: Exchange, request: StatementRequest): Promise<void> {
  await handleStatement(exchange, request, { bytes: Buffer.from(request.urlText, 'latin1'), isWhole: true }, true);
}

async function handleBody(exchange: Exchange, request: StatementRequest): Promise<void> {
  const { client, answer, read, context } = exchange;
  const { kind } = request.body;
  if (kind === 'opaque') {
    forwardWithoutDdl(exchange);
    return;
  }
  if (expectsContinue(client)) answer.writeContinue();
  await takeArrived(client, read);
  answer.once('close', () => context.limits.memory.give(read.takenBytes));
  const limitBytes = statementLimitBytes(maxQuerySize(request.target), context.limits.maxStatementBytes);
  const decision = await classifyBody(client, request, read, limitBytes, (head, complete) => context.dispatcher.classify(head, complete));
  if (decision === 'unread') {
    forwardWithoutDdl(exchange);
    return;
  }
  const statement = decision === 'whole' ? await readStatement(client, request, read, limitBytes) : undefined;
  const isOurs = statement !== undefined && (statement.isWhole || isInsert(statement.bytes));
  if (isOurs) await handleStatement(exchange, request, statement, kind === 'form');
  else forwardUnchanged(exchange);
}

async function handleStatement(exchange: Exchange, request: StatementRequest, statement: ReadStatement, keepsBody: boolean): Promise<void> {
  const { context, client } = exchange;
  const { text, isUtf8 } = decodeUtf8(statement.bytes);
  const isAlone = isUtf8 && statement.isWhole && (request.body.kind === 'none' || !keepsBody);
  const session = createClientSession(context.upstream, client, exchange.target, isAlone);
  const action = await context.dispatcher.dispatch(text, session);
  if (action.kind !== 'refuse' && action.ended !== undefined) whenClosed(exchange.answer, action.ended);
  if (exchange.answer.destroyed) return;
  switch (action.kind) {
    case 'forward':
      forwardUnchanged(exchange, answerOptions(action, exchange.target, session));
      return;
    case 'run':
      if (!isUtf8) refuse(exchange, request, NOT_UTF8);
      else runInstead(exchange, request, action.sql, keepsBody, answerOptions(action, exchange.target, session));
      return;
    case 'replace':
      await runWithOtherStart(exchange, request, { statement, text }, action, answerOptions(action, exchange.target, session));
      return;
    case 'refuse':
      refuse(exchange, request, action.exception);
  }
}

/** An answer is closed when the client has all of it, and when it will never have. */
function whenClosed(answer: ServerResponse, ended: () => void): void {
  if (answer.closed) ended();
  else answer.once('close', ended);
}

const NOT_UTF8 = clickhouseError('BAD_ARGUMENTS', 'The statement is not valid UTF-8');

function refuse(exchange: Exchange, request: StatementRequest, exception: ClickHouseException): void {
  const options = { rewriteHead: refusalHead(exception) };
  runInstead(exchange, request, refusalStatement(exception), request.body.kind === 'form', options);
}

async function runWithOtherStart(
  exchange: Exchange,
  request: StatementRequest,
  { statement, text }: { readonly statement: ReadStatement; readonly text: string },
  action: Action & { readonly kind: 'replace' },
  options: AnswerOptions,
): Promise<void> {
  const { context, client, answer, read } = exchange;
  const replaced = Buffer.from(text.slice(0, action.length));
  // What follows may be data that is no text.
  if (!statement.bytes.subarray(0, replaced.length).equals(replaced)) {
    refuse(exchange, request, NOT_UTF8);
    return;
  }
  const start = Buffer.from(action.start);
  const target = withRaisedSize(request.target, start.length - replaced.length, statement);
  try {
    const of = { client, request: { ...request, target }, read, bytes: replaced.length, start };
    const changed = await withOtherStart(of);
    if (!answer.destroyed) forward(context.upstream, client, answer, { method: client.method ?? '', ...changed }, options);
  } catch (error) {
    if (!(error instanceof ClickHouseException)) throw error;
    refuse(exchange, request, error);
  }
}

/** A statement that has grown by `grownBytes` is within the limit that the client's own was in. */
function withRaisedSize(target: string, grownBytes: number, { bytes, isWhole }: ReadStatement): string {
  const allowed = maxQuerySize(target);
  const length = bytes.length + grownBytes;
  if (allowed === 0 || (allowed === undefined && (!isWhole || length < DEFAULT_MAX_QUERY_BYTES))) return target;
  const size = allowed === undefined ? length + 1 : allowed + grownBytes;
  return changeParameters(target, (name) => name !== 'max_query_size', { max_query_size: String(size) });
}

function answerOptions({ after, notice, shownException, rowsBeside }: OnAnswer, target: string, session: ClientSession): AnswerOptions {
  return {
    ...(rowsBeside !== undefined && { rewriteHead: withWrittenRows(rowsBeside), rewriteException: successAfterAll }),
    ...(after && { after, failed: failureAnswer(target, session) }),
    ...(notice && { notice }),
    ...(shownException && { rewriteException: exceptionRewriter(target, shownException) }),
  };
}

function forwardUnchanged(exchange: Exchange, options?: AnswerOptions): void {
  const { context, client, answer, target, read } = exchange;
  const { method = '', rawHeaders } = client;
  forward(context.upstream, client, answer, { method, target, rawHeaders, body: restOf(client, read) }, options);
}

/**
 * A statement that only the server can read may do anything but DDL: a Kafka table must not come into being where the gateway does not see it.
 * (A user with `readonly = 1` may not change settings, and is refused.)
 */
function forwardWithoutDdl(exchange: Exchange): void {
  const target = changeParameters(exchange.target, (name) => name !== 'allow_ddl', { allow_ddl: '0' });
  forwardUnchanged({ ...exchange, target });
}

/**
 * Sends `sql` with everything else of the request: by GET, or when the body is data (`keepsBody`), in the parameter `query`; by POST as the plain body,
 * which has no limit of length.
 */
function runInstead(exchange: Exchange, request: StatementRequest, sql: string, keepsBody: boolean, options: AnswerOptions): void {
  const { context, client, answer } = exchange;
  const method = client.method ?? '';
  const size = sizeParameter(request.target, sql);
  if (keepsBody && request.body.kind !== 'none') {
    const target = changeParameters(request.target, (name) => name !== 'query' && !(name in size), { query: sql, ...size });
    forward(context.upstream, client, answer, { method, target, ...keptBody(exchange, request) }, options);
    return;
  }
  const isInUrl = method !== 'POST';
  const target = changeParameters(
    request.target,
    (name) => name !== 'query' && name !== 'decompress' && !(name in size),
    isInUrl ? { query: sql, ...size } : size,
  );
  const headers = filterHeaders(client.rawHeaders, (name) => !BODY_HEADERS.has(name));
  const bytes = Buffer.from(sql);
  const body: ForwardedBody = isInUrl ? { kind: 'none' } : { kind: 'bytes', bytes };
  const rawHeaders = isInUrl ? headers : [...headers, 'Content-Length', String(bytes.length)];
  forward(context.upstream, client, answer, { method, target, rawHeaders, body }, options);
}

/** The body as it came; of a form without the fields that were part of the statement. */
function keptBody({ client, read }: Exchange, { body }: StatementRequest): Pick<ForwardedRequest, 'rawHeaders' | 'body'> {
  const { rawHeaders } = client;
  if (body.kind !== 'form' || body.boundary === undefined) return { rawHeaders, body: restOf(client, read) };
  const form = Buffer.concat(read.chunks);
  const found = readFormText(form, body.boundary);
  return {
    rawHeaders: lengthened(rawHeaders, -found.text.length),
    body: { kind: 'stream', read: [withoutFormText(form, found)], rest: client, isWhole: read.ended },
  };
}

const BODY_HEADERS: ReadonlySet<string> = new Set(['content-length', 'content-encoding', 'transfer-encoding', 'expect', 'trailer']);

const DEFAULT_MAX_QUERY_BYTES = 262_144;

/** `max_query_size` for a text of ours that is longer than the client's limit; the client's own statement was within it or the server refused it. */
function sizeParameter(target: string, sql: string): Record<string, string> {
  const bytes = Buffer.byteLength(sql);
  const allowed = maxQuerySize(target) ?? DEFAULT_MAX_QUERY_BYTES;
  return allowed === 0 || bytes < allowed ? {} : { max_query_size: String(bytes + 1) };
}

function maxQuerySize(target: string): number | undefined {
  const value = Number(findParameter(target, 'max_query_size') ?? Number.NaN);
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A text that is not UTF-8 is read with replacement characters: good enough to say whether it is ours, never sent on. */
function decodeUtf8(bytes: Buffer): { text: string; isUtf8: boolean } {
  try {
    return { text: UTF8.decode(bytes), isUtf8: true };
  } catch {
    return { text: bytes.toString(), isUtf8: false };
  }
}

function expectsContinue(client: IncomingMessage): boolean {
  return client.headers.expect?.toLowerCase() === '100-continue';
}

/** A dispatcher never throws and a client that left needs no answer: what arrives here is a mistake of ours, told as the server tells its own; and so is its silence in mid-statement. */
function whenFailed(exchange: Exchange): (error: unknown) => void {
  return (error) => {
    if (error instanceof ClientGone || exchange.answer.destroyed) return;
    if (!(error instanceof ClickHouseException)) exchange.context.logger.error({ err: error }, 'request failed');
    if (exchange.answer.headersSent) {
      exchange.client.socket.destroy();
      return;
    }
    const exception = asException(error);
    exchange.answer.writeHead(httpStatusOf(exception.code), {
      'Content-Type': 'text/plain; charset=UTF-8',
      'X-ClickHouse-Exception-Code': String(exception.code),
      Connection: 'Close',
    });
    exchange.answer.end(`${exception.message}\n`);
  };
}

function asException(error: unknown): ClickHouseException {
  if (error instanceof ClickHouseException) return error;
  return new ClickHouseException(1002, 'UNKNOWN_EXCEPTION', error instanceof Error ? error.message : String(error));
}
