import type { IncomingMessage } from 'node:http';
import { clickhouseError } from '../../errors.ts';
import { NO_STATEMENT_MEMORY, type StatementMemory } from '../statement-memory.ts';

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
  /** Longest statement that is read, in bytes, where the client's settings allow for so much. */
  readonly maxStatementBytes: number;
}

/** Takes memory for the request; throws when there is none. */
export function takeMemory(read: ReadBytes, bytes: number): void {
  if (!read.limits.memory.take(bytes)) throw clickhouseError('MEMORY_LIMIT_EXCEEDED', NO_STATEMENT_MEMORY);
  read.takenBytes += bytes;
}

export function nothingRead(limits: ReadLimits): ReadBytes {
  return { chunks: [], bytes: 0, ended: false, takenBytes: 0, limits };
}

/**
 * Reads on until `isEnough` says so (asked before and after every chunk) or the body ends, then leaves the stream paused with everything later still in it.
 * Rejects when the client goes away, and with an exception when it is silent for too long or there is no memory.
 */
export async function readMore(client: IncomingMessage, read: ReadBytes, isEnough: () => boolean): Promise<void> {
  if (read.ended || isEnough()) return;
  const { timeoutMs } = read.limits;
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
      try {
        takeMemory(read, chunk.length);
      } catch (error) {
        stop();
        reject(error instanceof Error ? error : new Error(String(error)));
        return;
      }
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

/**
 * Waits for one chunk more, or the end. Of what is long already it waits for a part more: whoever asks reads all of it each time, and chunks may be as small as their
 * sender likes.
 */
export async function readOneChunk(client: IncomingMessage, read: ReadBytes): Promise<void> {
  const least = read.bytes < LONG_BYTES ? read.bytes + 1 : read.bytes * LONG_GROWTH;
  await readMore(client, read, () => read.bytes >= least);
}

const LONG_BYTES = 64 * 1024;
const LONG_GROWTH = 1.125;

/** The client closed its connection while its statement was being read: nobody is left to be answered. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}
