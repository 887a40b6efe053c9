import type { Socket } from 'node:net';
import { ByteReader, EndOfBytes } from '../../protocol/index.ts';

/** What happens to bytes that the reader has consumed. */
type Destiny = 'pass' | 'hold' | 'drop';

/**
 * One direction of a connection: bytes from one socket to another, with back-pressure.
 *
 * Either *relayed* (`relay`): pieces pass as they arrive and nobody looks at them. Or *read* (`read`, as it begins): they are consumed through the
 * reader's methods, and what was consumed is passed on, held, or dropped, as told before it was consumed. Passed bytes go out when the reader would
 * have to wait, and when the direction goes back to being relayed.
 */
export class Flow extends ByteReader {
  readonly #from: Socket;
  #to: Socket | undefined;
  #isRelayed = false;
  #destiny: Destiny = 'drop';
  /** Up to where in `chunk` bytes have met their destiny: may be ahead of `at`, after `release`. */
  #settledTo = 0;
  #held: Buffer[] = [];
  /** Pieces that came while nobody was waiting. */
  readonly #arrived: Buffer[] = [];
  #isEnded = false;
  #waiting: { readonly resolve: (piece: Buffer) => void; readonly reject: (error: Error) => void } | undefined;
  /** Called with every piece that goes out. */
  onPass: ((piece: Buffer) => void) | undefined;

  constructor(from: Socket, to?: Socket) {
    super();
    this.#from = from;
    this.#to = to;
    from.on('data', (piece: Buffer) => {
      this.#arrive(piece);
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
    for (const piece of [rest, ...this.#arrived.splice(0)]) if (piece.length > 0) this.#relayPiece(piece);
    if (!this.#isStuck()) this.#from.resume();
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

  override async more(): Promise<void> {
    this.#settle();
    this.#settledTo -= this.at;
    await super.more();
  }

  protected override async nextChunk(): Promise<Buffer> {
    if (this.#isStuck()) await drained(this.#to);
    const piece = this.#arrived.shift();
    if (piece !== undefined) return piece;
    if (this.#isEnded) throw new EndOfBytes('the connection was closed');
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#from.resume();
    });
  }

  #arrive(piece: Buffer): void {
    if (this.#isRelayed) {
      this.#relayPiece(piece);
    } else if (this.#waiting !== undefined) {
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      resolve(piece);
    } else {
      this.#arrived.push(piece);
      this.#from.pause();
    }
  }

  #relayPiece(piece: Buffer): void {
    this.#write(piece);
    if (!this.#isStuck()) return;
    this.#from.pause();
    this.#to?.once('drain', () => {
      if (this.#isRelayed) this.#from.resume();
    });
  }

  #isStuck(): boolean {
    return this.#to?.writableNeedDrain === true && !this.#to.destroyed;
  }

  #end(): void {
    this.#isEnded = true;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(new EndOfBytes('the connection was closed'));
  }

  /** Consumed bytes meet their destiny. */
  #settle(): void {
    if (this.at <= this.#settledTo) return;
    const piece = this.chunk.subarray(this.#settledTo, this.at);
    this.#settledTo = this.at;
    if (this.#destiny === 'pass') this.#write(piece);
    else if (this.#destiny === 'hold') this.#held.push(piece);
  }

  #writeHeld(): void {
    for (const piece of this.#held.splice(0)) this.#write(piece);
  }

  #write(bytes: Buffer): void {
    this.onPass?.(bytes);
    if (this.#to?.writable === true) this.#to.write(bytes);
  }
}

async function drained(socket: Socket | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket?.off('drain', done).off('close', done);
      resolve();
    };
    socket?.once('drain', done).once('close', done);
  });
}
