import { readAnswerHead, type ReadHead } from './answer-head.ts';
import { promisedIdleMs, type Connection, type ConnectionPool, type ConnectionUser } from './connections.ts';
import { MAX_ATTEMPTS } from './exchange.ts';
import { parseException } from './exception.ts';
import { MAX_HEADER_BYTES } from './upstream.ts';
import { WireBody } from './wire-body.ts';

/** An exception behind data that are already sent: at most 16 KiB of text (ClickHouse: `WriteBufferFromHTTPServerResponse`) between two marks and two tags. */
const MOST_EXCEPTION_BYTES = 17 * 1024;
const MARK = '__exception__\r\n';
const HEAD_END = '\r\n\r\n';

const BUFFER_BYTES = 512 * 1024;
/** What a socket reads at a time; more comes from TLS, seldom. */
const PIECE_BYTES = 64 * 1024;
/** Fewer bytes are answered at the end only. */
const WORTH_ANSWERING_BYTES = 128 * 1024;
const MAX_FREE_BUFFERS = 8;
const MOST_REFUSAL_BYTES = 1024 * 1024;
const freeBuffers: Buffer[] = [];

/** A query as it is on the wire. */
export interface WireQuery {
  /** The whole request, a POST of HTTP/1.1. */
  readonly request: string | Buffer;
  /** Longest silence of the server, in milliseconds. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/**
 * The bytes of the answer to a query that changes nothing, as they come; the server waits while nobody takes them. A piece is overwritten once the next is asked
 * for: fresh memory for each would cost more than everything else that is done to it. When the answer is an exception or ends in one, that is thrown, and no byte
 * of its text is answered; when it breaks off without one, what broke it. Breaks the connection when its reader leaves early or `signal` is aborted.
 */
export async function* answerBytes(connections: ConnectionPool, query: WireQuery): AsyncGenerator<Buffer, void, undefined> {
  const answer = new Answer(connections, query);
  try {
    answer.ask();
    for (;;) {
      const piece = await answer.next();
      if (piece === undefined) break;
      yield piece;
    }
    yield answer.rest();
  } finally {
    answer.leave();
  }
}

/** One answer on its way from a connection into two buffers: while one is read, the other is filled. */
class Answer implements ConnectionUser {
  readonly #connections: ConnectionPool;
  readonly #query: WireQuery;
  readonly #onAbort: () => void;
  #connection: Connection | undefined;
  #attempts = 0;
  #silence: NodeJS.Timeout | undefined;
  /** The head as far as it has come, while it is not whole. */
  #begun = '';
  #head: (ReadHead & { readonly text: string }) | undefined;
  #body: WireBody | undefined;
  #isRefusal = false;
  #filling = takeBuffer();
  #other = takeBuffer();
  #filled = 0;
  #isPaused = false;
  #end: Error | 'whole' | undefined;
  #wake = (): void => undefined;

  constructor(connections: ConnectionPool, query: WireQuery) {
    this.#connections = connections;
    this.#query = query;
    this.#onAbort = () => {
      this.#finish(asError(query.signal.reason));
    };
  }

  ask(): void {
    const { request, silenceMs, signal } = this.#query;
    signal.throwIfAborted();
    if (this.#attempts === 0) signal.addEventListener('abort', this.#onAbort);
    this.#attempts += 1;
    this.#connection = this.#connections.take();
    this.#connection.use(this);
    this.#connection.socket.write(request);
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#finish(new Error(`Timeout error: no byte in ${silenceMs} ms`));
    }, silenceMs);
  }

  /** Many bytes, or undefined when the answer is over: then `rest` has the last of them. */
  async next(): Promise<Buffer | undefined> {
    while (this.#end === undefined && (this.#isRefusal || this.#filled < WORTH_ANSWERING_BYTES)) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#readOn();
      await woken;
    }
    return this.#end === undefined ? this.#handOver() : undefined;
  }

  /** What came last, or throws what the answer ended with. */
  rest(): Buffer {
    const rest = this.#filling.subarray(0, this.#filled);
    if (this.#isRefusal && this.#end === 'whole') throw exceptionOf(rest.toString());
    const exception = exceptionIn(rest.subarray(-MOST_EXCEPTION_BYTES), this.#header('X-ClickHouse-Exception-Tag'));
    if (exception !== undefined) throw exception;
    if (this.#end !== 'whole') throw this.#end ?? new Error('the answer is not over');
    return rest;
  }

  /** Nobody takes anything any more. */
  leave(): void {
    this.#finish(new Error('nobody reads the answer'));
    for (const buffer of [this.#filling, this.#other])
      if (buffer.length === BUFFER_BYTES && freeBuffers.length < MAX_FREE_BUFFERS) freeBuffers.push(buffer);
  }

  take(piece: Buffer): boolean {
    this.#silence?.refresh();
    try {
      if (this.#body === undefined) this.#readHead(piece);
      else this.#readBody(this.#body, piece);
    } catch (error) {
      this.#finish(asError(error));
    }
    if (this.#filled >= WORTH_ANSWERING_BYTES) this.#wake();
    this.#isPaused = this.#end === undefined && this.#filled + PIECE_BYTES > this.#filling.length;
    return !this.#isPaused;
  }

  ended(reason?: Error): void {
    const isStale = this.#begun === '' && this.#head === undefined && this.#connection?.isReused === true;
    // Kept for too long: the server closed it while the query was on its way. Asking again does no harm.
    if (isStale && this.#attempts < MAX_ATTEMPTS && this.#end === undefined) this.ask();
    else if (this.#head?.framing === 'close' && reason === undefined) this.#finish('whole');
    else this.#finish(reason ?? new Error('the answer broke off'));
  }

  #readHead(piece: Buffer): void {
    const before = this.#begun.length;
    this.#begun += piece.toString('latin1');
    const end = this.#begun.indexOf(HEAD_END, Math.max(0, before - HEAD_END.length));
    if (end === -1) {
      if (this.#begun.length > MAX_HEADER_BYTES) throw new Error('Parse Error: Header overflow');
      return;
    }
    const text = this.#begun.slice(0, end + HEAD_END.length);
    const head = readAnswerHead(text, 'POST');
    this.#begun = '';
    const rest = piece.subarray(text.length - before);
    if (head.status < 200) {
      // Information; the answer comes behind it.
      if (rest.length > 0) this.#readHead(rest);
      return;
    }
    this.#head = { ...head, text };
    this.#isRefusal = head.status !== 200 || this.#header('X-ClickHouse-Exception-Code') !== undefined;
    this.#body = new WireBody(head.framing, head.bodyBytes);
    if (this.#body.isEmpty) this.#finish('whole', rest.length === 0);
    else this.#readBody(this.#body, rest);
  }

  #readBody(body: WireBody, piece: Buffer): void {
    const end = body.findEnd(piece, (from, to) => {
      this.#keep(piece, from, to);
    });
    if (end !== undefined) this.#finish('whole', end === piece.length);
  }

  #keep(piece: Buffer, from: number, to: number): void {
    const needed = this.#filled + to - from;
    if (this.#isRefusal && needed > MOST_REFUSAL_BYTES) throw new Error('the server refused with more text than an exception has');
    if (needed > this.#filling.length) {
      const larger = Buffer.allocUnsafeSlow(needed * 2);
      this.#filling.copy(larger, 0, 0, this.#filled);
      this.#filling = larger;
    }
    this.#filled += piece.copy(this.#filling, this.#filled, from, to);
  }

  /** All but what may be the text of an exception; that is copied to where the next bytes come. */
  #handOver(): Buffer {
    const bytes = this.#filled - MOST_EXCEPTION_BYTES;
    const full = this.#filling;
    full.copy(this.#other, 0, bytes, this.#filled);
    this.#filling = this.#other;
    this.#other = full;
    this.#filled = MOST_EXCEPTION_BYTES;
    this.#readOn();
    return full.subarray(0, bytes);
  }

  #readOn(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#connection?.socket.resume();
  }

  /** The first end counts. A connection whose answer is whole is kept; every other one is cut, which ends the query. */
  #finish(end: Error | 'whole', isExact = false): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearTimeout(this.#silence);
    this.#query.signal.removeEventListener('abort', this.#onAbort);
    const connection = this.#connection;
    this.#connection = undefined;
    if (end === 'whole' && isExact && this.#head?.isKept === true && connection !== undefined)
      this.#connections.give(connection, promisedIdleMs(this.#head.keepAlive));
    else connection?.destroy();
    this.#wake();
  }

  #header(name: string): string | undefined {
    return new RegExp(`\\r\\n${name}:[ \\t]*([^\\r\\n]*)`, 'i').exec(this.#head?.text ?? '')?.[1]?.trim();
  }
}

function takeBuffer(): Buffer {
  return freeBuffers.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
}

function exceptionIn(tail: Buffer, tag: string | undefined): Error | undefined {
  if (tag === undefined) return undefined;
  const begin = tail.indexOf(`${MARK}${tag}\r\n`);
  if (begin === -1) return undefined;
  const from = begin + MARK.length + tag.length + 2;
  const to = tail.lastIndexOf('\n', tail.length - MARK.length - 3);
  return exceptionOf(tail.toString('utf8', from, to > from ? to : tail.length));
}

function exceptionOf(text: string): Error {
  return parseException(text) ?? new Error(text.trim());
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
