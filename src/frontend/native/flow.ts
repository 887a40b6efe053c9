import type { Socket } from 'node:net';
import { ByteReader, EndOfBytes } from '../../protocol/index.ts';
import { hasReusedReads, receivePieces } from '../../sockets/index.ts';
import { SOCKET_BUFFER_BYTES } from './sockets.ts';

const EMPTY = Buffer.alloc(0);
/** What a client may say while nobody reads it. */
const MOST_KEPT_BYTES = 64 * 1024;

/** What happens to bytes that the reader has consumed. */
type Destiny = 'pass' | 'hold' | 'drop';

/** What is asked of the pieces that a reader waits for. */
export interface Terms {
  /** How long the next may take to come, in milliseconds. */
  readonly mostMs: number;
  /** Called with the size of each; what it throws is the reader's. */
  readonly take: (bytes: number) => void;
}

/** Nothing came in time. */
export class NothingCame extends Error {
  override readonly name = 'NothingCame';
}

/**
 * One direction of a connection: bytes from one socket to another, with back-pressure.
 *
 * Either *relayed* (`relay`): pieces pass as they arrive, the end after them, and nobody looks at them. Or *read* (`read`, as it begins): they are consumed through the
 * reader's methods, and what was consumed is passed on, held, or dropped, as told before it was consumed. Passed bytes go out when the reader would
 * have to wait, and when the direction goes back to being relayed.
 *
 * There is one piece at a time, whose memory is used again for the next: that is read when this one has gone out to the last byte.
 */
export class Flow extends ByteReader {
  readonly #from: Socket;
  #to: Socket | undefined;
  #isRelayed = false;
  #destiny: Destiny = 'drop';
  /** Up to where in `chunk` bytes have met their destiny: may be ahead of `at`, after `release`. */
  #settledTo = 0;
  #held: Buffer[] = [];
  /** What came while nobody was waiting. */
  #arrived: Buffer | undefined;
  /** How many bytes may wait to go out while the next piece is read. */
  readonly #maxUnsentBytes: number;
  /** Called when what waited has gone out, or never will. */
  #whenSent: (() => void) | undefined;
  #isEnded = false;
  /** Called when the connection ends while nobody reads. */
  #listening: (() => void) | undefined;
  #waiting: { readonly resolve: (piece: Buffer) => void; readonly reject: (error: Error) => void } | undefined;
  /** While a reader is held to them. */
  terms: Terms | undefined;
  /** Called with every piece that goes out. */
  onPass: ((piece: Buffer) => void) | undefined;

  constructor(from: Socket, to?: Socket) {
    super();
    this.#from = from;
    this.#to = to;
    this.#maxUnsentBytes = hasReusedReads(from) ? 0 : SOCKET_BUFFER_BYTES;
    receivePieces(from, (piece) => this.#arrive(piece));
    from.on('end', () => {
      if (this.#isRelayed) this.#to?.end();
    });
    const end = (): void => {
      this.#end();
    };
    from.on('end', end).on('close', end);
  }

  connectTo(to: Socket): void {
    this.#to = to;
  }

  /** From now on consumed bytes are passed on, those held before them first. */
  pass(): void {
    if (this.#destiny === 'drop') this.#settle();
    this.#writeHeld();
    // Bytes held in the piece at hand are not settled yet: they go out with what follows them, in one write.
    this.#destiny = 'pass';
  }

  /** From now on consumed bytes are kept for `takeHeld` or a later `pass`. */
  hold(): void {
    this.#settle();
    this.#destiny = 'hold';
  }

  /** From now on consumed bytes go nowhere, nor do those held before them. */
  drop(): void {
    this.#settle();
    this.#held = [];
    this.#destiny = 'drop';
  }

  /** What is held; stays held. */
  heldBytes(): Buffer {
    this.#settle();
    const bytes = Buffer.concat(this.#held);
    this.#held = [bytes];
    return bytes;
  }

  /** What was held, which is the caller's now. */
  takeHeld(): Buffer {
    const bytes = this.heldBytes();
    this.#held = [];
    return bytes;
  }

  /**
   * Does something while nobody reads; its signal is aborted when the connection ends meanwhile. To learn of that, what comes is taken in and kept for the
   * reader, as far as it is not much: clients that wait for an answer say little.
   */
  async whileOpen<T>(work: (gone: AbortSignal) => Promise<T>): Promise<T> {
    const gone = new AbortController();
    const leave = (): void => gone.abort();
    this.#settle();
    this.#settledTo -= this.at;
    // What is left of the piece at hand would be written over.
    this.chunk = Buffer.from(this.leaveConsumed());
    this.#arrived &&= Buffer.from(this.#arrived);
    this.#listening = leave;
    if (this.#isEnded) leave();
    this.#from.resume();
    try {
      return await work(gone.signal);
    } finally {
      this.#listening = undefined;
      this.#from.pause();
    }
  }

  /** What was consumed meets its destiny now, not only when more is waited for. */
  flush(): void {
    this.#settle();
  }

  /** Sends bytes of our own in this direction, after those passed before. */
  send(bytes: Buffer): void {
    this.#settle();
    this.#write(bytes);
  }

  /** Bytes pass unseen, beginning with those not consumed yet. */
  relay(): void {
    this.pass();
    this.#settle();
    const rest = this.chunk.subarray(Math.max(this.#settledTo, this.at));
    this.at = this.chunk.length;
    this.#settledTo = 0;
    this.leaveConsumed();
    this.#destiny = 'pass';
    this.#isRelayed = true;
    const arrived = this.#arrived;
    this.#arrived = undefined;
    if (rest.length > 0) this.#write(rest);
    if (arrived !== undefined) this.#write(arrived);
    this.#resumeWhenSent();
  }

  /** Bytes wait to be read, beginning with the next that arrives. */
  read(): void {
    this.#isRelayed = false;
    this.#destiny = 'pass';
  }

  override release(count: number): void {
    this.#settle();
    const end = Math.min(this.at + count, this.chunk.length);
    if (end <= this.#settledTo) return;
    if (this.#destiny === 'pass') this.#write(this.chunk.subarray(this.#settledTo, end));
    this.#settledTo = end;
  }

  override async more(leastBytes?: number): Promise<void> {
    this.#settle();
    this.#settledTo -= this.at;
    await super.more(leastBytes);
  }

  protected override async nextChunk(): Promise<Buffer> {
    if (this.#isStuck()) await this.#sent();
    const arrived = this.#arrived;
    this.#arrived = undefined;
    const piece = arrived ?? (await this.#nextPiece());
    this.terms?.take(piece.length);
    return piece;
  }

  async #nextPiece(): Promise<Buffer> {
    if (this.#isEnded) throw new EndOfBytes('the connection was closed');
    const timer = this.terms && setTimeout(() => this.#fail(new NothingCame()), this.terms.mostMs);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        this.#from.resume();
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #arrive(piece: Buffer): boolean {
    if (this.#isRelayed) {
      this.#write(piece);
      if (!this.#isStuck()) return true;
      this.#resumeWhenSent();
    } else if (this.#waiting !== undefined) {
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      resolve(piece);
    } else {
      this.#arrived = Buffer.concat([this.#arrived ?? EMPTY, piece]);
      return this.#listening !== undefined && this.#arrived.length < MOST_KEPT_BYTES;
    }
    return false;
  }

  #resumeWhenSent(): void {
    if (!this.#isStuck()) {
      this.#from.resume();
      return;
    }
    this.#whenSent = () => {
      if (this.#isRelayed) this.#from.resume();
    };
  }

  async #sent(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#whenSent = resolve;
    });
  }

  readonly #afterWrite = (): void => {
    if (this.#whenSent === undefined || this.#isStuck()) return;
    const whenSent = this.#whenSent;
    this.#whenSent = undefined;
    whenSent();
  };

  #isStuck(): boolean {
    return this.#to !== undefined && !this.#to.destroyed && this.#to.writableLength > this.#maxUnsentBytes;
  }

  #end(): void {
    this.#isEnded = true;
    this.#listening?.();
    this.#fail(new EndOfBytes('the connection was closed'));
  }

  /** Ends the wait for a piece. */
  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }

  /** Consumed bytes meet their destiny. */
  #settle(): void {
    if (this.at <= this.#settledTo) return;
    const piece = this.chunk.subarray(this.#settledTo, this.at);
    this.#settledTo = this.at;
    if (this.#destiny === 'pass') this.#write(piece);
    else if (this.#destiny === 'hold') this.#held.push(Buffer.from(piece));
  }

  #writeHeld(): void {
    for (const piece of this.#held.splice(0)) this.#write(piece);
  }

  #write(bytes: Buffer): void {
    this.onPass?.(bytes);
    if (this.#to?.writable === true) this.#to.write(bytes, this.#afterWrite);
  }
}
