import type { Socket } from 'node:net';
import { freePiece } from '../sockets/index.ts';
import { readAnswerHead, type ReadHead } from './answer-head.ts';
import { promisedIdleMs, type Connection, type ConnectionPool, type ConnectionUser } from './connections.ts';
import { firstCause, isNoConnection, isRepeatable, MAX_ATTEMPTS, pairs, unreachable } from './exchange.ts';
import { MAX_HEADER_BYTES, type Upstream } from './upstream.ts';
import { WireBody } from './wire-body.ts';

/** How much of a client's body may wait for the server before the client is paused. */
const MAX_UNSENT_BYTES = 128 * 1024;
/** Text is written faster than bytes as long as it is short. */
const MAX_SHORT_BYTES = 4096;
const HEAD_END = '\r\n\r\n';
const HTTP_START = 'HTTP/1.';

/** A request of HTTP/1.1 as it is on the wire. */
export interface WireRequest {
  readonly method: string;
  /** Its head, and as much of its body as came with it. */
  readonly begin: Buffer;
  /** Whether that is all of it. */
  readonly isWhole: boolean;
  readonly hasBody: boolean;
}

/** The client's side of one request. */
export interface WireClient {
  readonly socket: Socket;
  /** The answer has been written to the last byte. `isKept`: the server means the connection to go on. */
  answered(isKept: boolean): void;
  /** The answer cannot be completed: what was written of it is all that the client may get. */
  brokeOff(): void;
  /** More of the request's body may be given to `send`. */
  sendMore(): void;
}

/**
 * One request on its way to the server and its answer on the way back, both byte for byte as they are on the wire: only what is needed to find the end
 * of the answer is looked at. Keeps the promises of `forward`, without Node's HTTP, which costs more than everything else of a short request.
 */
export class Passage implements ConnectionUser {
  readonly #upstream: Upstream;
  readonly #connections: ConnectionPool;
  readonly #client: WireClient;
  readonly #request: WireRequest;
  #connection: Connection | undefined;
  #attempts = 0;
  /** More of the request is to come. */
  #isSending: boolean;
  #hasEnded = false;
  /** The answer's head as far as it has come, while it is not whole. */
  #begun: Buffer | undefined;
  #head: ReadHead | undefined;
  #promisedMs: number | undefined;
  #body: WireBody | undefined;
  /** The whole answer has come; what becomes of the connection. */
  #over: { readonly isReusable: boolean } | undefined;
  /** The connection is not read until the client has taken what was written. */
  #isWaiting = false;

  constructor(upstream: Upstream, connections: ConnectionPool, client: WireClient, request: WireRequest) {
    this.#upstream = upstream;
    this.#connections = connections;
    this.#client = client;
    this.#request = request;
    this.#isSending = !request.isWhole;
  }

  start(): void {
    this.#attempts += 1;
    const connection = this.#connections.take();
    this.#connection = connection;
    connection.use(this);
    const { begin } = this.#request;
    if (begin.length > MAX_SHORT_BYTES) connection.socket.write(begin);
    else connection.socket.write(begin.toString('latin1'), 'latin1');
  }

  /** Sends a piece of the request's body; `isLast` when it ends with it. False: wait for `sendMore`. */
  send(piece: Buffer, isLast: boolean): boolean {
    if (isLast) this.#isSending = false;
    const { socket } = this.#connection ?? {};
    if (socket?.writable !== true) return true;
    socket.write(piece, () => {
      freePiece(piece);
      if (socket.writableLength <= MAX_UNSENT_BYTES) this.#client.sendMore();
    });
    return socket.writableLength <= MAX_UNSENT_BYTES;
  }

  /** The client sends no more, though it may still read. */
  endSending(): void {
    this.#hasEnded = true;
    this.#connection?.socket.end();
  }

  /** The client has gone: so does the request, which cancels the query on the server if that is set so. */
  drop(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  take(piece: Buffer): boolean {
    try {
      if (this.#body !== undefined) this.#relay(this.#body, piece);
      else this.#readHead(piece);
    } catch (error) {
      this.#fail(error as Error);
      return false;
    }
    return this.#settle();
  }

  ended(reason?: Error): void {
    if (this.#over !== undefined) return;
    if (this.#head?.framing === 'close' && reason === undefined) {
      this.#finish(false);
      this.#settle();
    } else {
      this.#fail(reason ?? hangUp());
    }
  }

  /** The client gets the head as it comes: with progress headers the server takes as long for it as the query runs. */
  #readHead(piece: Buffer): void {
    const before = this.#begun?.length ?? 0;
    const bytes = this.#begun === undefined ? piece : Buffer.concat([this.#begun, piece]);
    if (bytes.toString('latin1', 0, HTTP_START.length) !== HTTP_START.slice(0, bytes.length))
      throw new Error('Parse Error: Expected HTTP/');
    const end = bytes.indexOf(HEAD_END, Math.max(0, before - HEAD_END.length), 'latin1');
    if (end === -1) {
      if (bytes.length > MAX_HEADER_BYTES) throw new Error('Parse Error: Header overflow');
      this.#begun = Buffer.from(bytes);
      this.#write(piece);
      return;
    }
    this.#begun = undefined;
    const headBytes = end + HEAD_END.length;
    const head = readAnswerHead(bytes.toString('latin1', 0, headBytes), this.#request.method);
    if (head.status === 101) throw new Error('Parse Error: Unexpected upgrade');
    if (head.status >= 200) {
      this.#startAnswer(head);
      this.#relay(this.#body as WireBody, piece, headBytes - before);
      return;
    }
    // Information; the answer comes behind it.
    this.#write(piece.subarray(0, headBytes - before));
    if (headBytes < bytes.length) this.#readHead(piece.subarray(headBytes - before));
  }

  #startAnswer(head: ReadHead): void {
    this.#head = head;
    this.#body = new WireBody(head.framing, head.bodyBytes);
    this.#promisedMs = promisedIdleMs(head.keepAlive);
    this.#upstream.heardKeepAlive(this.#promisedMs);
  }

  /** Passes a piece on, of which the first `headBytes` belong to the head. */
  #relay(body: WireBody, piece: Buffer, headBytes = 0): void {
    const end = body.isEmpty ? 0 : body.findEnd(headBytes === 0 ? piece : piece.subarray(headBytes));
    if (end === undefined) {
      this.#write(piece);
      return;
    }
    const bytes = headBytes + end;
    this.#write(bytes === piece.length ? piece : piece.subarray(0, bytes));
    this.#finish(bytes === piece.length);
  }

  #write(bytes: Buffer): void {
    const { socket } = this.#client;
    if (bytes.length > MAX_SHORT_BYTES) socket.write(bytes, this.#onSent);
    else if (bytes.length > 0) socket.write(bytes.toString('latin1'), 'latin1', this.#onSent);
  }

  #finish(isExact: boolean): void {
    this.#over = { isReusable: isExact && !this.#isSending && !this.#hasEnded && this.#head?.isKept === true };
  }

  /** Whether the connection may read on: what it read last stands in the same memory until it has left for the client. */
  #settle(): boolean {
    const { socket } = this.#client;
    this.#isWaiting = socket.writableLength > 0 && !socket.destroyed;
    if (this.#isWaiting) return false;
    if (this.#over !== undefined) this.#leave(this.#over.isReusable);
    return true;
  }

  readonly #onSent = (): void => {
    if (!this.#isWaiting) return;
    const { socket } = this.#connection ?? {};
    if (this.#settle()) socket?.resume();
  };

  #leave(isReusable: boolean): void {
    const connection = this.#connection;
    this.#connection = undefined;
    if (isReusable && connection !== undefined) this.#connections.give(connection, this.#promisedMs);
    else connection?.destroy();
    this.#client.answered(this.#head?.isKept === true);
  }

  /** The connection to the server is of no more use. */
  #fail(reason: Error): void {
    const { method, hasBody } = this.#request;
    const hasAnswered = this.#head !== undefined || this.#begun !== undefined;
    const isStale = !hasAnswered && this.#connection?.isReused === true;
    this.drop();
    if (this.#client.socket.destroyed) return;
    if (hasAnswered) this.#client.brokeOff();
    else if (isStale && this.#attempts < MAX_ATTEMPTS && isRepeatable(method, hasBody)) this.start();
    else this.#answerUnreachable(firstCause(reason));
  }

  #answerUnreachable(cause: NodeJS.ErrnoException): void {
    const isKept = !this.#isSending;
    const { status, reason, rawHeaders, body } = unreachable(this.#upstream, cause, { isConnected: !isNoConnection(cause), isKept });
    const lines = pairs(rawHeaders).map(([name, value]) => `${name}: ${value}\r\n`);
    const { socket } = this.#client;
    socket.write(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n`, 'latin1');
    if (this.#request.method !== 'HEAD') socket.write(body);
    this.#client.answered(isKept);
  }
}

function hangUp(): Error {
  return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
}
