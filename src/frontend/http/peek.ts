import type { IncomingMessage } from 'node:http';

/** What was read of a body so far: its bytes as they came, and whether that is all. */
export interface ReadBytes {
  readonly chunks: Buffer[];
  bytes: number;
  ended: boolean;
}

export function nothingRead(): ReadBytes {
  return { chunks: [], bytes: 0, ended: false };
}

/**
 * Reads on until `isEnough` says so (asked before and after every chunk) or the body ends, then leaves the stream paused with everything later still in it.
 * Rejects when the client goes away.
 */
export async function readMore(client: IncomingMessage, read: ReadBytes, isEnough: () => boolean): Promise<void> {
  if (read.ended || isEnough()) return;
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      client.pause();
      client.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
    };
    const onData = (chunk: Buffer): void => {
      read.chunks.push(chunk);
      read.bytes += chunk.length;
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

/** Waits for one chunk more, or the end. */
export async function readOneChunk(client: IncomingMessage, read: ReadBytes): Promise<void> {
  const count = read.chunks.length;
  await readMore(client, read, () => read.chunks.length > count);
}

/** The client closed its connection while its statement was being read: nobody is left to be answered. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}
