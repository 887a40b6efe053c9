import type { IncomingMessage, ServerResponse } from 'node:http';
import { freePiece } from '../sockets/index.ts';
import { AnswerBody } from './answer-body.ts';
import { readAnswerHead, type ReadHead } from './answer-head.ts';
import { promisedIdleMs, type Connection, type ConnectionPool, type ConnectionUser } from './connections.ts';
import {
  afterClientsBytes,
  answerUnreachable,
  cut,
  firstCause,
  isNoConnection,
  isRepeatable,
  MAX_ATTEMPTS,
  pairs,
  type AnswerOptions,
  type ForwardedBody,
  type ForwardedRequest,
} from './exchange.ts';
import { MAX_HEADER_BYTES, type Upstream } from './upstream.ts';

/** How much of a client's body may wait for the server before the client is paused. */
const MAX_UNSENT_BYTES = 128 * 1024;
const MAX_SHORT_BYTES = 4096;
const NO_BYTES = Buffer.alloc(0);
const HEAD_END = '\r\n\r\n';
const HTTP_START = 'HTTP/1.';

/** One way to the server: `forward` without Node's HTTP on the server's side, which costs more than everything else of a short request. */
export interface Route {
  readonly upstream: Upstream;
  readonly connections: ConnectionPool;
}

/** Whether `pass` knows how: nothing of the answer is changed or waited for, and the client speaks plain HTTP/1.1. */
export function canPass(client: IncomingMessage, answer: ServerResponse, options: AnswerOptions): boolean {
  const { headers, httpVersion } = client;
  const isPlain = headers.expect === undefined && headers.upgrade === undefined && httpVersion === '1.1';
  // A socket is the answer's when its turn has come.
  return isPlain && options.after === undefined && options.rewriteHead === undefined && answer.socket === client.socket;
}

/**
 * Sends one request to the server and its answer to the client, as `forward` promises: bytes of the bodies pass as they are on the wire, and only what
 * is needed to find their ends is looked at.
 */
export function pass(route: Route, client: IncomingMessage, answer: ServerResponse, request: ForwardedRequest): void {
  new Passage(route, client, answer, request).start();
}

class Passage implements ConnectionUser {
  readonly #route: Route;
  readonly #client: IncomingMessage;
  readonly #answer: ServerResponse;
  readonly #request: ForwardedRequest;
  readonly #isChunked: boolean;
  #connection: Connection | undefined;
  #attempts = 0;
  /** The client's body is on its way to the server. */
  #isSending = false;
  /** The beginning of the answer's head. */
  #begun: Buffer | undefined;
  #head: ReadHead | undefined;
  #promisedMs: number | undefined;
  #body: AnswerBody | undefined;
  #hasHeadGone = false;
  /** The whole answer has come; what becomes of the connection. */
  #over: { readonly isReusable: boolean } | undefined;
  /** The connection is not read until the client has taken what was written. */
  #isWaiting = false;

  constructor(route: Route, client: IncomingMessage, answer: ServerResponse, request: ForwardedRequest) {
    this.#route = route;
    this.#client = client;
    this.#answer = answer;
    this.#request = request;
    this.#isChunked = request.body.kind === 'stream' && client.headers['transfer-encoding'] !== undefined;
  }

  start(): void {
    this.#answer.once('close', () => {
      if (!this.#answer.writableFinished) this.#drop();
      else if (this.#isWaiting) this.#readOn();
    });
    this.#send();
  }

  #send(): void {
    this.#attempts += 1;
    const connection = this.#route.connections.take();
    this.#connection = connection;
    connection.use(this);
    const { socket } = connection;
    const { body } = this.#request;
    const head = headText(this.#request);
    const short = this.#isChunked ? undefined : shortBody(body);
    if (short !== undefined) {
      if (body.kind === 'stream') body.rest.resume();
      // Text goes out faster than text and bytes.
      socket.write(head + short.toString('latin1'), 'latin1');
      return;
    }
    socket.cork();
    socket.write(head, 'latin1');
    if (body.kind === 'bytes') socket.write(body.bytes);
    else if (body.kind === 'stream') this.#sendStream(body);
    socket.uncork();
  }

  #sendStream(body: StreamedBody): void {
    const { read, rest } = body;
    for (const piece of read) this.#sendPiece(piece);
    if (isOver(body)) {
      rest.resume();
      this.#endBody();
      return;
    }
    this.#isSending = true;
    rest.on('data', this.#onData);
    rest.on('end', this.#onEnd);
  }

  readonly #onData = (piece: Buffer): void => {
    this.#sendPiece(piece);
    const { socket } = this.#connection ?? {};
    if (socket !== undefined && socket.writableLength > MAX_UNSENT_BYTES) this.#client.pause();
  };

  readonly #onEnd = (): void => {
    this.#isSending = false;
    this.#endBody();
  };

  #sendPiece(piece: Buffer): void {
    const { socket } = this.#connection ?? {};
    if (socket?.writable !== true) return;
    const taken = (): void => {
      freePiece(piece);
      this.#resumeClient();
    };
    if (!this.#isChunked) {
      socket.write(piece, taken);
      return;
    }
    socket.cork();
    socket.write(`${piece.length.toString(16)}\r\n`, 'latin1');
    socket.write(piece);
    socket.write('\r\n', 'latin1', taken);
    socket.uncork();
  }

  #resumeClient(): void {
    if (!this.#isSending || !this.#client.isPaused()) return;
    const { socket } = this.#connection ?? {};
    if (socket === undefined || socket.writableLength <= MAX_UNSENT_BYTES) this.#client.resume();
  }

  #endBody(): void {
    if (!this.#isChunked) return;
    const trailers = pairs(this.#client.rawTrailers).map(([name, value]) => `${name}: ${value}\r\n`);
    const { socket } = this.#connection ?? {};
    if (socket?.writable === true) socket.write(`0\r\n${trailers.join('')}\r\n`, 'latin1');
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

  #readHead(piece: Buffer): void {
    const bytes = this.#begun === undefined ? piece : Buffer.concat([this.#begun, piece]);
    if (bytes.toString('latin1', 0, HTTP_START.length) !== HTTP_START.slice(0, bytes.length))
      throw new Error('Parse Error: Expected HTTP/');
    const end = bytes.indexOf(HEAD_END, Math.max(0, (this.#begun?.length ?? 0) - HEAD_END.length), 'latin1');
    if (end === -1) {
      if (bytes.length > MAX_HEADER_BYTES) throw new Error('Parse Error: Header overflow');
      this.#begun = Buffer.from(bytes);
      return;
    }
    this.#begun = undefined;
    const text = bytes.toString('latin1', 0, end + HEAD_END.length);
    const head = readAnswerHead(text, this.#request.method);
    const rest = bytes.subarray(end + HEAD_END.length);
    if (head.status >= 200) this.#startAnswer(text, head, rest);
    else if (head.status === 101) throw new Error('Parse Error: Unexpected upgrade');
    else if (rest.length > 0) this.#readHead(rest);
  }

  #startAnswer(text: string, head: ReadHead, rest: Buffer): void {
    this.#head = head;
    this.#body = new AnswerBody(head.framing, head.bodyBytes);
    this.#promisedMs = promisedIdleMs(head.keepAlive);
    this.#route.upstream.heardKeepAlive(this.#promisedMs);
    setHead(this.#answer, text, head.isKept);
    if (this.#body.isEmpty) this.#finish('', rest.length > 0);
    else if (rest.length > 0) this.#relay(this.#body, rest);
    else this.#write(NO_BYTES);
  }

  #relay(body: AnswerBody, piece: Buffer): void {
    const end = body.findEnd(piece);
    if (end === undefined) {
      this.#write(piece);
    } else if (end <= MAX_SHORT_BYTES) {
      // With the head of a short answer it goes out in one write.
      this.#finish(piece.toString('latin1', 0, end), end < piece.length);
    } else {
      this.#write(piece.subarray(0, end));
      this.#finish('', end < piece.length);
    }
  }

  /** Past the answer, which would hold everything back until the next tick; the first bytes go out with the head. */
  #write(bytes: Buffer): void {
    const { socket } = this.#client;
    if (this.#hasHeadGone) {
      socket.write(bytes, this.#onSent);
      return;
    }
    this.#hasHeadGone = true;
    socket.cork();
    this.#answer.flushHeaders();
    if (bytes.length > 0) socket.write(bytes, this.#onSent);
    socket.uncork();
  }

  /** The whole answer has come, `lastText` is its end. */
  #finish(lastText: string, hasExcess: boolean): void {
    this.#over = { isReusable: !hasExcess && !this.#isSending && this.#head?.isKept === true };
    if (this.#isSending) this.#stopSending();
    afterClientsBytes(this.#client, this.#answer, () => {
      this.#answer.end(lastText, 'latin1');
    });
  }

  /** The client's body has no taker any more: the rest is thrown away, so that the client comes to read the answer. */
  #stopSending(): void {
    this.#isSending = false;
    this.#client.off('data', this.#onData).off('end', this.#onEnd);
    this.#client.resume();
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
    if (this.#isWaiting) this.#readOn();
  };

  #readOn(): void {
    const { socket } = this.#connection ?? {};
    if (this.#settle()) socket?.resume();
  }

  #leave(isReusable: boolean): void {
    const connection = this.#connection;
    this.#connection = undefined;
    if (isReusable && connection !== undefined) this.#route.connections.give(connection, this.#promisedMs);
    else connection?.destroy();
  }

  ended(reason?: Error): void {
    if (this.#over !== undefined) return;
    if (this.#head?.framing === 'close' && reason === undefined) this.#finish('', false);
    else this.#fail(reason ?? hangUp());
  }

  /** The connection to the server is of no more use. */
  #fail(reason: Error): void {
    const connection = this.#connection;
    const hasAnswered = this.#head !== undefined;
    const isStale = connection?.isReused === true && this.#begun === undefined;
    this.#drop();
    if (this.#answer.destroyed) return;
    if (hasAnswered) cut(this.#client, this.#answer);
    else if (isStale && this.#attempts < MAX_ATTEMPTS && isRepeatable(this.#request)) this.#send();
    else {
      const cause = firstCause(reason);
      answerUnreachable(this.#route.upstream, this.#client, this.#answer, cause, !isNoConnection(cause));
    }
  }

  #drop(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
    if (this.#isSending) this.#stopSending();
  }
}

/**
 * Gives the answer a head as it is on the wire. Node would take it apart and check, sort and write it anew; it keeps the result here until the first
 * write, and knows from the second property whether the connection ends with the answer. The body passes with the server's own chunks.
 */
function setHead(answer: ServerResponse, text: string, isKept: boolean): void {
  const outgoing = answer as unknown as { _header: string; _last: boolean };
  outgoing._header = text;
  outgoing._last = !isKept;
  answer.shouldKeepAlive = isKept;
  answer.chunkedEncoding = false;
}

/** A body that is there and small. */
function shortBody(body: ForwardedBody): Buffer | undefined {
  if (body.kind === 'none') return NO_BYTES;
  if (body.kind === 'bytes') return body.bytes.length <= MAX_SHORT_BYTES ? body.bytes : undefined;
  const [piece = NO_BYTES, second] = body.read;
  return second === undefined && isOver(body) && piece.length <= MAX_SHORT_BYTES ? piece : undefined;
}

function headText({ method, target, rawHeaders }: ForwardedRequest): string {
  let text = `${method} ${target} HTTP/1.1\r\n`;
  for (let i = 0; i < rawHeaders.length; i += 2) text += `${rawHeaders[i] ?? ''}: ${rawHeaders[i + 1] ?? ''}\r\n`;
  return `${text}\r\n`;
}

type StreamedBody = Extract<ForwardedBody, { kind: 'stream' }>;

function isOver({ isWhole, rest }: StreamedBody): boolean {
  return isWhole || rest.readableEnded;
}

function hangUp(): Error {
  return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
}
