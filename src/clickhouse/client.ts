import { Agent as HttpsAgent } from 'node:https';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import {
  ClickHouseError,
  ClickHouseLogLevel,
  createClient,
  parseError,
  type ClickHouseClient,
  type ClickHouseSettings,
  type ExecResult,
} from '@clickhouse/client';
import { ClickHouseException } from '../errors.ts';
import { withDeadline } from '../pauses.ts';
import { answerBytes } from './answer-bytes.ts';
import { addressOf, ConnectionPool, type ServerTls } from './connections.ts';
import { parseException } from './exception.ts';

export interface ServiceClientOptions {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Longest silence of the server in `rows`, `command` and `insert`, in milliseconds; 1 hour when absent. */
  readonly timeoutMs?: number;
  /** How long an unused connection is kept, in milliseconds; must be below the server's `keep_alive_timeout`. 2,500 when absent. */
  readonly idleMs?: number;
  readonly maxConnections?: number;
  /** For `https`; the defaults when absent. */
  readonly tls?: ServerTls;
}

export type SettingValues = Readonly<Record<string, string | number>>;

export interface InsertOptions {
  readonly queryId?: string;
  readonly signal?: AbortSignal;
  /** The server is not told that the body has ended before this resolves, so nothing is applied; when it rejects, the call fails. */
  readonly mayEnd?: Promise<void>;
  /** Longest time for the whole call, in milliseconds; without one only the client's limit on silence holds. */
  readonly timeoutMs?: number;
}

export interface InsertResult {
  /** Rows written into all tables, targets of materialized views included, as the server's summary counts them. */
  readonly writtenRows: number;
  /** Rows that the statement's input held. */
  readonly readRows: number;
}

/** `not applied`: no byte of the statement reached the server. `unknown`: it may or may not have been executed. */
export type Outcome = 'not applied' | 'unknown';

/** No answer came: the network or the server failed, or the call was aborted or took too long. `cause` says which. */
export class ClickHouseUnreachable extends Error {
  override readonly name = 'ClickHouseUnreachable';
  readonly outcome: Outcome;

  constructor(message: string, outcome: Outcome, cause: unknown) {
    super(message, { cause });
    this.outcome = outcome;
  }
}

/**
 * The service account's door to ClickHouse. Each call throws the server's refusal as `ClickHouseException`,
 * and `ClickHouseUnreachable` when there is no answer. Only `rows`, `ping` and `version` are repeated (once) after a broken connection.
 */
export interface ServiceClient {
  /** The rows of a SELECT that names no FORMAT, as objects; 64-bit integers are strings. `params` fill `{name:Type}` in the text. */
  rows<T>(sql: string, params?: Readonly<Record<string, unknown>>): Promise<T[]>;
  /**
   * The answer of a SELECT that names its FORMAT, as bytes, while it comes: nothing is kept, and the server waits while nobody takes them. A piece is overwritten
   * once the next is asked for. An exception that comes behind data is thrown like one in front of them. Aborting ends the query.
   */
  stream(sql: string, settings: SettingValues, signal: AbortSignal): AsyncIterable<Buffer>;
  /** Runs a statement without result. */
  command(sql: string, settings?: SettingValues): Promise<void>;
  /**
   * Runs one `INSERT … FORMAT x` whose data are the chunks one after the other. They are not copied and must not change until the call is over.
   * Resolves once the server answered success: for every dependent view, since it answers after them.
   */
  insert(sql: string, chunks: readonly Buffer[], settings: SettingValues, options?: InsertOptions): Promise<InsertResult>;
  /** Throws unless the server answers `/ping`. Needs no credentials. */
  ping(): Promise<void>;
  version(): Promise<string>;
  /** Closes kept connections; running calls fail. */
  close(): Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 3_600_000;
const DEFAULT_IDLE_MS = 2_500;
const MAX_RESPONSE_HEADERS_BYTES = 1024 * 1024;

export function createServiceClient(options: ServiceClientOptions): ServiceClient {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const idleMs = options.idleMs ?? DEFAULT_IDLE_MS;
  const maxConnections = options.maxConnections ?? 64;
  const url = new URL(options.url);
  const client = createClient({
    url,
    username: options.user,
    password: options.password,
    request_timeout: timeoutMs,
    // What fails is thrown, and the caller says what it means; the package would print it besides.
    log: { level: ClickHouseLogLevel.OFF },
    max_open_connections: maxConnections,
    max_response_headers_size: MAX_RESPONSE_HEADERS_BYTES,
    // A connection that the server may close at any moment is thrown away before it is used: a lost INSERT is not repeated here.
    keep_alive: { enabled: true, idle_socket_ttl: idleMs, eagerly_destroy_stale_sockets: true },
    // The package's own agent knows no way to trust any certificate.
    ...(url.protocol === 'https:' ? { http_agent: new HttpsAgent({ keepAlive: true, maxSockets: maxConnections, ...options.tls }) } : {}),
  });
  const where = url.host;
  const streaming: Streaming = {
    connections: new ConnectionPool(addressOf(url), idleMs, url.protocol === 'https:' ? (options.tls ?? {}) : undefined),
    host: where,
    authorization: `Basic ${Buffer.from(`${options.user}:${options.password}`).toString('base64')}`,
    silenceMs: timeoutMs,
  };
  const rows = async <T>(sql: string, params: Readonly<Record<string, unknown>> = {}): Promise<T[]> =>
    repeatedOnce(where, async () => readRows<T>(client, sql, params));
  return {
    rows,
    stream: (sql, settings, signal) => stream(streaming, sql, settings, signal),
    command: async (sql, settings = {}) => {
      await translated(where, async () => client.command({ query: sql, clickhouse_settings: asSettings(settings) }));
    },
    insert: async (sql, chunks, settings, { timeoutMs, ...rest } = {}) => {
      const insertUnder = async (signal: AbortSignal | undefined): Promise<InsertResult> =>
        translated(where, async () => insert(client, sql, chunks, settings, { ...rest, ...(signal && { signal }) }));
      return timeoutMs === undefined ? insertUnder(rest.signal) : withDeadline(timeoutMs, [rest.signal], insertUnder);
    },
    ping: async () => {
      await repeatedOnce(where, async () => {
        const answer = await client.ping({ select: false });
        if (!answer.success) throw answer.error;
      });
    },
    version: async () => (await rows<{ version: string }>('SELECT version() AS version'))[0]?.version ?? '',
    close: async () => {
      streaming.connections.end();
      await client.close();
    },
  };
}

async function readRows<T>(client: ClickHouseClient, sql: string, params: Readonly<Record<string, unknown>>): Promise<T[]> {
  const result = await client.query({
    query: sql,
    format: 'JSONEachRow',
    query_params: { ...params },
    clickhouse_settings: { output_format_json_quote_64bit_integers: 1, wait_end_of_query: 1 },
  });
  return result.json<T>();
}

/** What a client of its own asks the server, without the package's: that one makes new memory for every piece of an answer. */
interface Streaming {
  readonly connections: ConnectionPool;
  readonly host: string;
  readonly authorization: string;
  readonly silenceMs: number;
}

async function* stream(
  { connections, host, authorization, silenceMs }: Streaming,
  sql: string,
  settings: SettingValues,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const asked = { ...settings, wait_end_of_query: 0, cancel_http_readonly_queries_on_client_close: 1 };
  const parameters = new URLSearchParams(Object.entries(asked).map(([name, value]) => [name, String(value)]));
  const head = [`POST /?${parameters.toString()} HTTP/1.1`, `Host: ${host}`, `Authorization: ${authorization}`, 'Content-Type: text/plain'];
  const request = `${head.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(sql)}\r\n\r\n${sql}`;
  try {
    yield* answerBytes(connections, { request, silenceMs, signal });
  } catch (error) {
    throw translate(host, error);
  }
}

async function insert(
  client: ClickHouseClient,
  sql: string,
  chunks: readonly Buffer[],
  settings: SettingValues,
  options: Omit<InsertOptions, 'timeoutMs'>,
): Promise<InsertResult> {
  const { signal } = options;
  const answer = await client.exec({
    query: sql,
    values: Readable.from(held(chunks, options.mayEnd), { objectMode: false, highWaterMark: 1 }),
    clickhouse_settings: asSettings(settings),
    ...(options.queryId === undefined ? {} : { query_id: options.queryId }),
    ...(signal === undefined ? {} : { abort_signal: signal }),
    // The package would keep the last exception in the text: a format quotes another one in what it tells of the row, and names the row in front of it.
    ignore_error_response: true,
  });
  if (isRefusal(answer)) throw refusal(await text(answer.stream));
  // Nothing comes but the end, which says that the answer is whole.
  answer.stream.resume();
  await finished(answer.stream);
  return { writtenRows: Number(answer.summary?.written_rows ?? 0), readRows: Number(answer.summary?.read_rows ?? 0) };
}

function isRefusal(answer: Pick<ExecResult<Readable>, 'http_status_code' | 'response_headers'>): boolean {
  return answer.http_status_code !== 200 || answer.response_headers['x-clickhouse-exception-code'] !== undefined;
}

function refusal(answered: string): Error {
  return parseException(answered) ?? parseError(answered);
}

/** The chunks, and an end that comes when it may. */
async function* held(chunks: readonly Buffer[], mayEnd: Promise<void> | undefined): AsyncGenerator<Buffer> {
  yield* chunks;
  await mayEnd;
}

function asSettings(settings: SettingValues): ClickHouseSettings {
  return { ...settings };
}

async function translated<T>(where: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw translate(where, error);
  }
}

/** For what changes nothing on the server: a connection that broke is no reason to fail. */
async function repeatedOnce<T>(where: string, call: () => Promise<T>): Promise<T> {
  try {
    return await translated(where, call);
  } catch (error) {
    if (!(error instanceof ClickHouseUnreachable) || error.outcome === 'not applied') throw error;
    return translated(where, call);
  }
}

const NOTHING_SENT: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN']);

function translate(where: string, error: unknown): Error {
  if (error instanceof ClickHouseException) return error;
  if (error instanceof ClickHouseError) {
    return new ClickHouseException(Number(error.code), error.type ?? '', withoutVersion(error.message), { cause: error });
  }
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code = (first as NodeJS.ErrnoException | undefined)?.code ?? '';
  const reason = first instanceof Error ? first.message : String(first);
  return new ClickHouseUnreachable(
    `no answer from ClickHouse at ${where}: ${reason}`,
    NOTHING_SENT.has(code) ? 'not applied' : 'unknown',
    error,
  );
}

/** The package leaves the full stop before the name in its message. */
function withoutVersion(message: string): string {
  return message.trimEnd().replace(/\.$/, '');
}
