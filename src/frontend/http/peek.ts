import type { IncomingMessage } from 'node:http';
import { clickhouseError } from '../../errors.ts';

/** What was read of a body so far: its bytes as they came, and whether that is all. */
export interface ReadBytes {
  readonly chunks: Buffer[];
  bytes: number;
  ended: boolean;
  /** Of the memory for statements; to be given back when the request is over. */
  takenBytes: number;
  readonly limits: ReadLimits;
}

export interface ReadLimits {
  /** Longest silence of the client, in milliseconds. */
  readonly timeoutMs: number;
  readonly memory: StatementMemory;
}

export function nothingRead(limits: ReadLimits): ReadBytes {
  return { chunks: [], bytes: 0, ended: false, takenBytes: 0, limits };
}

/** What the statements of all clients that are being read may take together: whoever sends them need not have proved who he is. */
export class StatementMemory {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False when there is no room; then nothing was taken. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#maxBytes) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/**
 * Reads on until `isEnough` says so (asked before and after every chunk) or the body ends, then leaves the stream paused with everything later still in it.
 * Rejects when the client goes away, and with an exception when it is silent for too long or there is no memory.
 */
export async function readMore(client: IncomingMessage, read: ReadBytes, isEnough: () => boolean): Promise<void> {
  if (read.ended || isEnough()) return;
  const { timeoutMs, memory } = read.limits;
  await new Promise<void>((resolve, reject) => {
    const silence = setTimeout(() => {
      stop();
      reject(clickhouseError('SOCKET_TIMEOUT', `Timeout exceeded while reading from socket (${timeoutMs} ms)`));
    }, timeoutMs);
    const stop = (): void => {
      clearTimeout(silence);
      client.pause();
      client.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
    };
    const onData = (chunk: Buffer): void => {
      if (!memory.take(chunk.length)) {
        stop();
        reject(clickhouseError('MEMORY_LIMIT_EXCEEDED', 'The gateway is reading too many long statements at once: try again later'));
        return;
      }
      read.takenBytes += chunk.length;
      read.chunks.push(chunk);
      read.bytes += chunk.length;
      silence.refresh();
      if (!isEnough()) return;
      stop();
      resolve();
    };
    const onEnd = (): void => {
      read.ended = true;
      stop();
      resolve();
    };
    const onGone = (): void => {
      stop();
      reject(new ClientGone());
    };
    client.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
    client.resume();
  });
}

/** Takes what has come already, which is all of a short body: it arrives with the request's head. Waits for the parser to be done with that, no longer. */
export async function takeArrived(client: IncomingMessage, read: ReadBytes): Promise<void> {
  await Promise.resolve();
  for (let chunk = client.read() as Buffer | null; chunk !== null; chunk = client.read() as Buffer | null) {
    read.chunks.push(chunk);
    read.bytes += chunk.length;
  }
  // The parser may not have said yet that this was all.
  read.ended = (client.complete || read.bytes === Number(client.headers['content-length'])) && client.readableLength === 0;
}

/** Waits for one chunk more, or the end. */
export async function readOneChunk(client: IncomingMessage, read: ReadBytes): Promise<void> {
  const count = read.chunks.length;
  await readMore(client, read, () => read.chunks.length > count);
}

/** The client closed its connection while its statement was being read: nobody is left to be answered. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}
