import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { clickhouseError, type ClickHouseException } from '../errors.ts';
import { httpStatusOf, renderException } from './exception.ts';
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
  /**
   * The rest of the client's body, after what was read of it already; `isWhole` when that is all. A `rest` that is not the client itself ends in a
   * ClickHouseException where the body is broken, which the client is then told.
   */
  | { readonly kind: 'stream'; readonly read: readonly Buffer[]; readonly rest: Readable; readonly isWhole: boolean };

/** What changes on the answer's way back. */
export interface AnswerOptions {
  /**
   * Called when the server answered 200, awaited before the client gets the end of the answer, and of an answer of a few kilobytes before it gets anything,
   * unless the head comes in pieces. `signal`: the client has gone; `queryId`: as the server answered.
   */
  readonly after?: (signal: AbortSignal, queryId: string | undefined) => Promise<void>;
  /** What the client gets in the place of the success when `after` rejects. `isBegun`: it has the status 200 already. Absent: the connection is cut. */
  readonly failed?: (reason: unknown, head: AnswerHead, isBegun: boolean) => Promise<WholeAnswer>;
  /**
   * Asked when `after` is over: a text for the header `X-Sluice-Notice`; undefined: no such header. The head waits for it, unless the answer is longer than some
   * kilobytes or its head comes in pieces.
   */
  readonly notice?: () => string | undefined;
  /** Puts another head in the place of the server's. */
  readonly rewriteHead?: (head: AnswerHead) => AnswerHead;
  /** Puts another answer in the place of the server's exception. Must not throw. */
  readonly rewriteException?: (answer: WholeAnswer) => WholeAnswer;
}

export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  readonly rawHeaders: readonly string[];
}

/** An answer that is there to its end; its body as it is on the wire, without chunks. */
export interface WholeAnswer {
  readonly head: AnswerHead;
  readonly body: Buffer;
}

/** How often a request that is safe to repeat is sent at most. */
export const MAX_ATTEMPTS = 3;
/** How long a client that still sends is listened to before its connection is closed. */
export const DRAIN_MS = 2_000;

/** Whether sending it twice does no harm. */
export function isRepeatable(method: string, hasBody: boolean): boolean {
  return !hasBody && (method === 'GET' || method === 'HEAD' || method === 'OPTIONS');
}

/** Raw headers by name and value. */
export function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? '']);
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

/** Exception 210 (NETWORK_ERROR) in the server's own shape. `isConnected`: the statement may have been executed. */
export function unreachable(
  upstream: Upstream,
  cause: NodeJS.ErrnoException,
  { isConnected, isKept }: { readonly isConnected: boolean; readonly isKept: boolean },
): AnswerHead & { readonly body: Buffer } {
  const text = isConnected
    ? `The connection to ClickHouse at ${upstream.name} broke before the answer (${cause.message}): the statement may or may not have been executed`
    : `Cannot connect to ClickHouse at ${upstream.name} (${cause.message})`;
  return ownAnswer(clickhouseError('NETWORK_ERROR', text, { cause }), isKept);
}

/** An exception that the server knows nothing of, in its own shape. */
export function ownAnswer(exception: ClickHouseException, isKept: boolean): AnswerHead & { readonly body: Buffer } {
  const body = Buffer.from(`${renderException(exception)}\n`);
  const status = httpStatusOf(exception.code);
  return {
    status,
    reason: STATUS_CODES[status] ?? '',
    // prettier-ignore
    rawHeaders: [
      'Date', new Date().toUTCString(),
      'Connection', isKept ? 'Keep-Alive' : 'Close',
      'Content-Type', 'text/plain; charset=UTF-8',
      'Content-Length', String(body.length),
      'X-ClickHouse-Exception-Code', String(exception.code),
    ],
    body,
  };
}

/** Nothing of a request can have reached the server. */
export function isNoConnection({ syscall }: NodeJS.ErrnoException): boolean {
  return syscall === 'connect' || syscall === 'getaddrinfo';
}

/** What failed at several addresses (`localhost` by IPv6 and IPv4) says nothing itself. */
export function firstCause(error: Error): NodeJS.ErrnoException {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? first : error;
}
