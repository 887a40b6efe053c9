import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net';

/**
 * Takes the next piece of a socket and says whether the piece's memory may be written over. False stops the reading: whoever is done with the piece
 * resumes the socket.
 */
export type Receive = (piece: Buffer) => boolean;

const PIECE_BYTES = 64 * 1024;
/** A socket that brings so much at once is in the middle of something long. */
const STREAMING_BYTES = 16 * 1024;
const MAX_FREE_BUFFERS = 32;

// Idle sockets share one buffer, and what is read into it is copied. A socket that streams has one of its own, and its pieces are views of that:
// fresh memory for every piece would cost more than everything else that is done to it.
const shared = Buffer.allocUnsafeSlow(PIECE_BYTES);
const free: Buffer[] = [];

/** How one socket is read. */
class Reads {
  #own: Buffer | undefined;
  #receive: Receive | undefined;
  #early: Buffer | undefined;

  readonly options: OnReadOpts = {
    buffer: () => this.#own ?? shared,
    callback: (bytes, buffer) => this.#take((buffer as Buffer).subarray(0, bytes)),
  };

  deliverTo(receive: Receive, socket: Socket): void {
    this.#receive = receive;
    const piece = this.#early;
    this.#early = undefined;
    if (piece !== undefined && receive(piece)) socket.resume();
  }

  #take(view: Buffer): boolean {
    const piece = this.#settle(view);
    if (this.#receive !== undefined) return this.#receive(piece);
    this.#early = piece;
    return false;
  }

  #settle(view: Buffer): Buffer {
    const isStreaming = view.length >= STREAMING_BYTES;
    if (isStreaming && this.#own !== undefined) return view;
    const piece = Buffer.from(view);
    if (isStreaming) this.#own = free.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
    else this.#giveBack();
    return piece;
  }

  #giveBack(): void {
    if (this.#own !== undefined && free.length < MAX_FREE_BUFFERS) free.push(this.#own);
    this.#own = undefined;
  }
}

const readsOf = new WeakMap<Socket, Reads>();

/** Opens a socket with these options for `onread`. */
export function withReusedReads(open: (onread: OnReadOpts) => Socket): Socket {
  const reads = new Reads();
  const socket = open(reads.options);
  readsOf.set(socket, reads);
  return socket;
}

/**
 * The same for a socket that a server has just accepted with `pauseOnConnect`, which stands for it from now on. Node has no option for that, but makes
 * accepted sockets themselves in this way.
 */
export function rereadAccepted(accepted: Socket): Socket {
  const holder = accepted as unknown as { _handle: unknown };
  const handle = holder._handle;
  if (typeof handle !== 'object' || handle === null) return accepted;
  holder._handle = null;
  const { allowHalfOpen } = accepted;
  const socket = withReusedReads((onread) => new Socket({ handle, onread, allowHalfOpen } as SocketConstructorOpts));
  // The server counts the one it made.
  socket.once('close', () => accepted.destroy());
  return socket;
}

/** Whether pieces of this socket are views of memory that is used again. */
export function hasReusedReads(socket: Socket): boolean {
  return readsOf.has(socket);
}

/** From now on pieces go to `receive`; called once for a socket. */
export function receivePieces(socket: Socket, receive: Receive): void {
  const reads = readsOf.get(socket);
  if (reads !== undefined) reads.deliverTo(receive, socket);
  else {
    socket.on('data', (piece: Buffer) => {
      if (!receive(piece)) socket.pause();
    });
  }
}
