import type { IncomingMessage } from 'node:http';
import { answerBytes, parseException, type Upstream } from '../../clickhouse/index.ts';
import { ClickHouseException, clickhouseError } from '../../errors.ts';
import type { ClientSession } from '../../query/index.ts';
import { filterHeaders } from './headers.ts';
import { changeParameters, findParameter } from './parameters.ts';

/** Parameters that say who asks and where; settings of the client's own statement are not among them. */
const IDENTITY_PARAMETERS: ReadonlySet<string> = new Set([
  'user',
  'password',
  'database',
  'role',
  'quota_key',
  'session_id',
  'session_timeout',
  'session_check',
]);
/** Values of query parameters, for helper queries that repeat a part of the statement. */
const PARAMETER_PREFIX = 'param_';
/** Parameters about the request's own text and answer, and `close_session`, which would end it before the statement itself; every other one is who asks or a setting. */
const OF_ONE_REQUEST: ReadonlySet<string> = new Set([
  'query',
  'query_id',
  'default_format',
  'wait_end_of_query',
  'buffer_size',
  'compress',
  'decompress',
  'close_session',
  'stacktrace',
  'max_query_size',
  'http_write_exception_in_output_format',
  'send_progress_in_http_headers',
]);
const NOT_IDENTITY_HEADERS: ReadonlySet<string> = new Set(['x-clickhouse-format', 'x-clickhouse-progress', 'x-clickhouse-query-id']);
/** Describes the data of an external table, which is not sent with helper queries: then the server would take it for a setting. */
const OF_A_TABLE_IN_A_FORM = /_(?:format|types|structure)$/;

/** `X-ClickHouse-User`, `-Key`, `-Database`, `-Quota`, `-SSL-Certificate-Auth` and later kin, and what proxies say about the client. */
function saysWhoAsks(header: string): boolean {
  if (header === 'authorization' || header === 'cookie' || header.startsWith('x-forwarded-') || header === 'forwarded') return true;
  return header.startsWith('x-clickhouse-') && !NOT_IDENTITY_HEADERS.has(header);
}

/** What the server sets for requests that are no POST. */
const READ_ONLY_BY_METHOD = '2';

const DEFAULT_MAX_QUERY_BYTES = 262_144;

/** What makes an answer a stream of the format's own bytes, which ends with its reader. */
const OF_A_STREAM = {
  wait_end_of_query: 0,
  send_progress_in_http_headers: 0,
  http_write_exception_in_output_format: 0,
  cancel_http_readonly_queries_on_client_close: 1,
  // The server cancels no other ones.
  readonly: 2,
} as const;
/** Longest silence of the server in a stream. */
const SILENCE_MS = 3_600_000;

/**
 * One HTTP request's client. `isAlone`: the statement was read as it is and whole, and nothing comes with it, neither data nor tables. Helper queries go to the server with the same identity, roles, session, database and query parameters.
 */
export function createClientSession(upstream: Upstream, client: IncomingMessage, target: string, isAlone: boolean): ClientSession {
  const rawHeaders = filterHeaders(client.rawHeaders, saysWhoAsks);
  const host = client.headers.host ?? 'clickhouse';
  const isForm = client.headers['content-type']?.startsWith('multipart/form-data') === true;
  const ask = async (sql: string, keeps: (parameter: string) => boolean): Promise<string[][]> => {
    const body = Buffer.from(sql);
    const helperTarget = changeParameters(target, keeps, {
      default_format: 'JSONCompactStringsEachRow',
      wait_end_of_query: '1',
      ...(body.length > DEFAULT_MAX_QUERY_BYTES ? { max_query_size: String(body.length + 1) } : {}),
    });
    const headers = [...rawHeaders, 'Host', host, 'Content-Length', String(body.length)];
    return parseRows(await post(upstream, helperTarget, headers, body));
  };
  const stream: ClientSession['stream'] = (sql, settings, signal) => {
    const body = Buffer.from(sql);
    const set = Object.fromEntries(Object.entries({ ...settings, ...OF_A_STREAM }).map(([name, value]) => [name, String(value)]));
    const size = body.length > DEFAULT_MAX_QUERY_BYTES ? { max_query_size: String(body.length + 1) } : {};
    const path = changeParameters(target, (name) => !OF_ONE_REQUEST.has(name) && !(name in set), { ...set, ...size });
    const headers = [...rawHeaders, 'Host', host, 'Content-Type', 'text/plain', 'Content-Length', String(body.length)];
    const lines = headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${headers[i + 1] ?? ''}\r\n`] : []));
    const head = Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
    return answerBytes(upstream.streams, { request: Buffer.concat([head, body]), silenceMs: SILENCE_MS, signal });
  };
  return {
    setting: (name) => (name === 'readonly' && client.method !== 'POST' ? READ_ONLY_BY_METHOD : findParameter(target, name)),
    mayHaveTemporaryTables: findParameter(target, 'session_id') !== undefined,
    brings: (table) =>
      isForm && SHAPES.some((shape) => findParameter(target, Buffer.from(`${table}${shape}`).toString('latin1')) !== undefined),
    whileHere: async (work) => {
      const { socket } = client;
      const gone = new AbortController();
      const leave = (): void => gone.abort();
      if (socket.destroyed) leave();
      socket.once('close', leave);
      try {
        return await work(gone.signal);
      } finally {
        socket.off('close', leave);
      }
    },
    query: async (sql) => ask(sql, (name) => IDENTITY_PARAMETERS.has(name) || name.startsWith(PARAMETER_PREFIX)),
    // A query that is cut off keeps its session for a while.
    ...(isAlone && findParameter(target, 'session_id') === undefined && { stream }),
    run: async (sql) => ask(sql, (name) => !OF_ONE_REQUEST.has(name) && !(isForm && OF_A_TABLE_IN_A_FORM.test(name))),
  };
}

/** A table in a form has its columns in the URL, by one of these behind its name. */
const SHAPES = ['_structure', '_types'] as const;

interface HelperAnswer {
  readonly status: number;
  readonly text: string;
}

async function post(upstream: Upstream, path: string, headers: readonly string[], body: Buffer): Promise<HelperAnswer> {
  try {
    return await new Promise<HelperAnswer>((resolve, reject) => {
      const sent = upstream.request({ method: 'POST', path, headers });
      sent.on('error', reject);
      sent.on('response', (received) => {
        const chunks: Buffer[] = [];
        received.on('data', (chunk: Buffer) => chunks.push(chunk));
        received.on('error', reject);
        received.on('end', () => {
          resolve({ status: received.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
        });
      });
      sent.end(body);
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    throw clickhouseError('NETWORK_ERROR', `Cannot ask ClickHouse at ${upstream.name} (${reason})`, { cause: error });
  }
}

function parseRows(answer: HelperAnswer): string[][] {
  if (answer.status !== 200) throw parseException(answer.text) ?? new ClickHouseException(1002, 'UNKNOWN_EXCEPTION', answer.text.trim());
  return answer.text
    .split('\n')
    .filter((line) => line !== '')
    .map(readRow);
}

/** A query that names a format of its own is answered in that one. */
function readRow(line: string): string[] {
  try {
    const row: unknown = JSON.parse(line);
    if (Array.isArray(row)) return row as string[];
  } catch {
    // Told below, as is what is no row.
  }
  throw clickhouseError('CANNOT_PARSE_TEXT', 'A helper query of the gateway was not answered in the format that it asked for');
}
