import { request, type Agent, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { ExecutionContext } from 'ava';

export interface TestRequest {
  readonly method?: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string | Readable;
}

export interface TestAnswer {
  readonly status: number;
  readonly reason: string;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  /** The connection broke before the end of the answer. */
  readonly isCutOff: boolean;
}

/** The target of a statement in the URL. */
export function query(sql: string, parameters = ''): string {
  return `/?query=${encodeURIComponent(sql)}${parameters}`;
}

export function post(body: TestRequest['body'], target = '/', headers: Record<string, string> = {}): TestRequest {
  return { method: 'POST', target, body: body ?? '', headers };
}

/** One request over a connection of its own (or of `agent`), its answer as it came. */
export async function send(url: string, wanted: TestRequest, agent: Agent | false = false): Promise<TestAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({
      host: hostname,
      port,
      agent,
      method: wanted.method ?? 'GET',
      path: wanted.target,
      headers: { ...wanted.headers },
    });
    sent.on('error', reject);
    sent.on('response', (received) => {
      void collect(received).then(resolve, reject);
    });
    if (wanted.body instanceof Readable) wanted.body.pipe(sent);
    else sent.end(wanted.body);
  });
}

async function collect(received: IncomingMessage): Promise<TestAnswer> {
  const chunks: Buffer[] = [];
  let isCutOff = false;
  try {
    for await (const chunk of received) chunks.push(chunk as Buffer);
  } catch {
    isCutOff = true;
  }
  const { statusCode = 0, statusMessage = '', rawHeaders } = received;
  return { status: statusCode, reason: statusMessage, rawHeaders, body: Buffer.concat(chunks), isCutOff };
}

export function header(answer: TestAnswer, name: string): string | undefined {
  const at = answer.rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name.toLowerCase());
  return at === -1 ? undefined : answer.rawHeaders[at + 1];
}

/** Sends the same request to the server and to the gateway and asserts that nothing but time and chance tells the answers apart. */
export async function assertSameAnswer(
  t: ExecutionContext,
  serverUrl: string,
  gatewayUrl: string,
  wanted: TestRequest,
): Promise<TestAnswer> {
  const direct = await send(serverUrl, wanted);
  const through = await send(gatewayUrl, wanted);
  const at = firstDifference(through.body, direct.body);
  t.deepEqual(excerpt(through, at), excerpt(direct, at), `${wanted.method ?? 'GET'} ${wanted.target.slice(0, 200)}`);
  return through;
}

const EXCERPT_BYTES = 200;

function firstDifference(one: Buffer, other: Buffer): number {
  const end = Math.min(one.length, other.length);
  for (let i = 0; i < end; i++) if (one[i] !== other[i]) return i;
  return end;
}

/** What is compared, of a long body what stands around the first difference: a report of all of it could not be read. */
function excerpt(answer: TestAnswer, at: number): unknown {
  const from = Math.max(0, at - EXCERPT_BYTES);
  const piece = answer.body.subarray(from, at + EXCERPT_BYTES);
  return { ...(comparable(answer) as object), body: piece.toString('latin1'), from, bodyBytes: answer.body.length };
}

/** An answer without what differs between two equal requests. */
export function comparable(answer: TestAnswer): unknown {
  const headers = [];
  for (let i = 0; i < answer.rawHeaders.length; i += 2)
    headers.push(`${answer.rawHeaders[i]}: ${steady(answer.rawHeaders[i] ?? '', answer.rawHeaders[i + 1] ?? '')}`);
  return { status: answer.status, reason: answer.reason, headers, body: answer.body.toString('latin1'), isCutOff: answer.isCutOff };
}

/** A header's value without what differs between two equal requests. */
function steady(name: string, value: string): string {
  switch (name.toLowerCase()) {
    case 'date':
    case 'x-clickhouse-query-id':
    case 'x-clickhouse-exception-tag':
      return '(differs)';
    case 'keep-alive':
      return value.replace(/max=\d+/, 'max=N');
    case 'x-clickhouse-summary':
    case 'x-clickhouse-progress':
      // Memory is told in progress only when the server happens to have counted some by then.
      return value.replace(/,"memory_usage":"\d+"/, '').replace(/"elapsed_ns":"\d+"/, '"elapsed_ns":"N"');
    default:
      return value;
  }
}

/** A text in one of the encodings that the server can write (`native`: its own compressed blocks), encoded by itself. */
export async function encodeByServer(url: string, text: string, encoding: string): Promise<Buffer> {
  const literal = text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
  const target = `/?max_query_size=${literal.length + 1000}&${encoding === 'native' ? 'compress=1' : 'enable_http_compression=1'}`;
  const answer = await send(url, {
    method: 'POST',
    target,
    headers: { 'Accept-Encoding': encoding },
    body: `SELECT '${literal}' FORMAT RawBLOB`,
  });
  if (answer.status !== 200) throw new Error(answer.body.toString());
  return answer.body;
}
