import type { IncomingMessage } from 'node:http';
import { clickhouseError } from '../../errors.ts';

/** What was read of a body so far: its bytes as they came, and whether that is all. */
export interface ReadBytes {
  readonly chunks: Buffer[];
  bytes: number;
  ended: boolean;
  /** Longest silence of the client, in milliseconds. */
  readonly timeoutMs: number;
}

export function nothingRead(timeoutMs: number): ReadBytes {
  return { chunks: [], bytes: 0, ended: false, timeoutMs };
}

/**
 * Reads on until `isEnough` says so (asked before and after every chunk) or the body ends, then leaves the stream paused with everything later still in it.
 * Rejects when the client goes away, and as the server when it is silent for `read.timeoutMs`.
 */
export async function readMore(client: IncomingMessage, read: ReadBytes, isEnough: () => boolean): Promise<void> {
  if (read.ended || isEnough()) return;
  await new Promise<void>((resolve, reject) => {
    const silence = setTimeout(() => {
      stop();
      reject(clickhouseError('SOCKET_TIMEOUT', `Timeout exceeded while reading from socket (${read.timeoutMs} ms)`));
    }, read.timeoutMs);
    const stop = (): void => {
      clearTimeout(silence);
      client.pause();
      client.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
    };
    const onData = (chunk: Buffer): void => {
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
