import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { clickhouseError } from '../errors.ts';
import { asksForProgressHeaders, EarlyHead } from './early-head.ts';
import { httpStatusOf, renderException } from './exception.ts';
import { canPass, pass } from './pass.ts';
import type { Upstream } from './upstream.ts';

/** What goes to the server. Headers are raw: name, value, name, value, in the client's order and spelling. */
export interface ForwardedRequest {
  readonly method: string;
  /** Path and query string as in the request line. */
  readonly target: string;
  readonly rawHeaders: readonly string[];
  readonly body: ForwardedBody;
}

export type ForwardedBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** The rest of the client's body, after what was read of it already; `isWhole` when that is all. */
  | { readonly kind: 'stream'; readonly read: readonly Buffer[]; readonly rest: IncomingMessage; readonly isWhole: boolean };

/** What changes on the answer's way back. */
export interface AnswerOptions {
  /** Called when the server answered 200, awaited before the client gets the end of the answer. Must not throw. */
  readonly after?: () => Promise<void>;
  /** Puts another head in the place of the server's. */
  readonly rewriteHead?: (head: AnswerHead) => AnswerHead;
}

export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  readonly rawHeaders: readonly string[];
}

export const MAX_ATTEMPTS = 3;
const DRAIN_MS = 2_000;

/**
 * Sends one request to the server and its answer to the client, both streaming with back-pressure, byte for byte.
 *
 * - The client goes away: the request to the server is cut, which cancels the query there if the server is set so.
 * - The server tells of progress in the head of its answer: the client gets each line when it comes.
 * - The server breaks off in mid-answer: the client's connection is cut after the bytes that came, never ended cleanly.
 * - No answer at all: the client gets exception 210 (NETWORK_ERROR) in the server's own shape, naming the server and the cause.
 * - A kept connection turns out to be closed: sent again if the request is safe to repeat (GET, HEAD or OPTIONS without a body).
 */
export function forward(
  upstream: Upstream,
  client: IncomingMessage,
  answer: ServerResponse,
  request: ForwardedRequest,
  options: AnswerOptions = {},
): void {
  const { connections } = upstream;
  const isInPieces = headComesInPieces(client, request, options);
  if (connections !== undefined && !isInPieces && canPass(client, answer, options)) {
    pass({ upstream, connections }, client, answer, request);
    return;
  }
  let sent: ClientRequest;
  let attempts = 0;
  let isAnswered = false;
  const early = isInPieces ? new EarlyHead(answer) : undefined;
  const send = (): void => {
    attempts += 1;
    sent = openRequest(upstream, request);
    early?.listenTo(sent);
    if (isBodyUntouched(request.body)) {
      sent.on('continue', () => {
        answer.writeContinue();
      });
    }
    sent.on('response', (received) => {
      isAnswered = true;
      upstream.heardKeepAlive(received.headers['keep-alive']);
      relayAnswer(received, client, answer, options, early);
    });
    sent.on('error', (error) => {
      if (isAnswered || answer.destroyed) return;
      if (early?.hasBegun === true) {
        client.socket.destroySoon();
        return;
      }
      if (attempts < MAX_ATTEMPTS && sent.reusedSocket && isRepeatable(request)) send();
      else answerUnreachable(upstream, client, answer, firstCause(error), wasConnected(sent, firstCause(error)));
    });
    sendBody(sent, request.body);
  };
  answer.on('close', () => {
    if (!answer.writableFinished) sent.destroy();
  });
  send();
}

/** Progress headers pass one by one; not to HTTP/1.0, whose head is changed. */
function headComesInPieces(client: IncomingMessage, request: ForwardedRequest, options: AnswerOptions): boolean {
  return options.rewriteHead === undefined && client.httpVersionMinor !== 0 && asksForProgressHeaders(request.target);
}

/** With `Expect: 100-continue` the client waits for the server's word; unless it was told to go on because somebody wanted to read its statement. */
function isBodyUntouched(body: ForwardedBody): boolean {
  return body.kind === 'stream' && body.read.length === 0 && !body.rest.readableEnded;
}

export function isRepeatable(request: ForwardedRequest): boolean {
  return request.body.kind === 'none' && (request.method === 'GET' || request.method === 'HEAD' || request.method === 'OPTIONS');
}

function openRequest(upstream: Upstream, request: ForwardedRequest): ClientRequest {
  const { method, target, rawHeaders } = request;
  if (request.body.kind !== 'none' || method === 'GET' || method === 'HEAD') {
    return upstream.request({ method, path: target, headers: rawHeaders });
  }
  // A POST that names no length: Node would promise a chunked body, and the server answers 411 only when nothing is promised.
  const sent = upstream.request({ method, path: target, setHost: false } as Parameters<Upstream['request']>[0]);
  sent.useChunkedEncodingByDefault = false;
  for (let i = 0; i < rawHeaders.length; i += 2) sent.appendHeader(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
  return sent;
}

function sendBody(sent: ClientRequest, body: ForwardedBody): void {
  if (body.kind === 'none') {
    sent.end();
  } else if (body.kind === 'bytes') {
    sent.end(body.bytes);
  } else {
    const { read, rest } = body;
    for (const chunk of read) sent.write(chunk);
    if (rest.readableEnded) {
      endWithTrailers(sent, rest);
      return;
    }
    // The head must go now: with `Expect: 100-continue` the body comes only after the server's word.
    if (read.length === 0) sent.flushHeaders();
    rest.pipe(sent, { end: false });
    rest.on('end', () => {
      endWithTrailers(sent, rest);
    });
    // A server that answered early and closed takes no more: the client's bytes are then thrown away, so that it comes to read the answer.
    sent.on('close', () => {
      rest.unpipe(sent);
      rest.resume();
    });
  }
}

function endWithTrailers(target: ClientRequest | ServerResponse, source: IncomingMessage): void {
  if (source.rawTrailers.length > 0) target.addTrailers(pairs(source.rawTrailers));
  target.end();
}

export function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? '']);
}

function relayAnswer(
  received: IncomingMessage,
  client: IncomingMessage,
  answer: ServerResponse,
  options: AnswerOptions,
  early: EarlyHead | undefined,
): void {
  const head: AnswerHead = { status: received.statusCode ?? 0, reason: received.statusMessage ?? '', rawHeaders: received.rawHeaders };
  writeHead(client, answer, options.rewriteHead?.(head) ?? head);
  if (early?.finish() === false) {
    received.destroy();
    client.socket.destroySoon();
    return;
  }
  received.on('error', () => {
    cut(client, answer);
  });
  if (options.after !== undefined && received.statusCode === 200) {
    relayHoldingEnd(received, client, answer, options.after);
    return;
  }
  received.pipe(answer, { end: false });
  received.on('end', () => {
    endAnswer(received, client, answer);
  });
}

/** Writes a head exactly as given, except for a client of HTTP/1.0, which knows no chunks. */
export function writeHead(client: IncomingMessage, answer: ServerResponse, head: AnswerHead): void {
  answer.sendDate = false;
  // Without a length the server's answer ends with the connection: no chunks of our own.
  answer.useChunkedEncodingByDefault = false;
  const rawHeaders = client.httpVersionMinor === 0 ? forHttp10(head.rawHeaders) : head.rawHeaders;
  answer.writeHead(head.status, head.reason, rawHeaders as string[]);
}

function forHttp10(rawHeaders: readonly string[]): string[] {
  const kept = pairs(rawHeaders).filter(([name]) => !/^(transfer-encoding|keep-alive)$/i.test(name));
  return kept.flatMap(([name, value]) => [name, name.toLowerCase() === 'connection' ? 'Close' : value]);
}

/** Passes the answer on one chunk late, so that `after` is over before the client has the last of it. */
function relayHoldingEnd(received: IncomingMessage, client: IncomingMessage, answer: ServerResponse, after: () => Promise<void>): void {
  let held: Buffer | undefined;
  received.on('data', (chunk: Buffer) => {
    if (held !== undefined && !answer.write(held)) {
      received.pause();
      answer.once('drain', () => received.resume());
    }
    held = chunk;
  });
  received.on('end', () => {
    void after().finally(() => {
      if (held !== undefined) answer.write(held);
      endAnswer(received, client, answer);
    });
  });
}

function endAnswer(received: IncomingMessage, client: IncomingMessage, answer: ServerResponse): void {
  afterClientsBytes(client, answer, () => {
    endWithTrailers(answer, received);
  });
}

/**
 * Calls `end` at once, unless the connection is to close after this answer while the client still sends. Then its bytes are taken
 * for a moment: closing a socket with unread bytes resets it, and the client would lose the answer.
 */
export function afterClientsBytes(client: IncomingMessage, answer: ServerResponse, end: () => void): void {
  if (client.complete || answer.shouldKeepAlive) {
    end();
    return;
  }
  const timer = setTimeout(finish, DRAIN_MS);
  function finish(): void {
    clearTimeout(timer);
    client.off('end', finish);
    end();
  }
  client.once('end', finish);
  client.unpipe();
  client.resume();
}

/** Breaks the client's connection off after what was written to it: the only way to say that an answer which has begun is not whole. */
export function cut(client: IncomingMessage, answer: ServerResponse): void {
  if (!answer.headersSent) answer.flushHeaders();
  client.socket.destroySoon();
}

/** Whether anything of the request can have reached the server, TLS and its checks included. */
function wasConnected(sent: ClientRequest, cause: NodeJS.ErrnoException): boolean {
  if (cause.syscall === 'connect' || cause.syscall === 'getaddrinfo') return false;
  const { socket } = sent;
  if (!(socket instanceof TLSSocket) || socket.authorized) return true;
  // Null before the handshake is over; otherwise a code, in spite of the type. With checks turned off it is no reason to stop.
  const refused = socket.authorizationError as unknown as string | null;
  return refused !== null && refused !== cause.code;
}

export function answerUnreachable(
  upstream: Upstream,
  client: IncomingMessage,
  answer: ServerResponse,
  cause: NodeJS.ErrnoException,
  isConnected: boolean,
): void {
  const text = isConnected
    ? `The connection to ClickHouse at ${upstream.name} broke before the answer (${cause.message}): the statement may or may not have been executed`
    : `Cannot connect to ClickHouse at ${upstream.name} (${cause.message})`;
  const exception = clickhouseError('NETWORK_ERROR', text, { cause });
  const body = Buffer.from(`${renderException(exception)}\n`);
  client.unpipe();
  writeHead(client, answer, {
    status: httpStatusOf(exception.code),
    reason: 'Internal Server Error',
    // prettier-ignore
    rawHeaders: [
      'Date', new Date().toUTCString(),
      'Connection', client.complete ? 'Keep-Alive' : 'Close',
      'Content-Type', 'text/plain; charset=UTF-8',
      'Content-Length', String(body.length),
      'X-ClickHouse-Exception-Code', String(exception.code),
    ],
  });
  answer.write(body);
  afterClientsBytes(client, answer, () => answer.end());
}

/** What failed at several addresses (`localhost` by IPv6 and IPv4) says nothing itself. */
export function firstCause(error: Error): NodeJS.ErrnoException {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? first : error;
}
