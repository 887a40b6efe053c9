import { MessageChannel } from 'node:worker_threads';

const LARGE_BYTES = 31 * 1024 * 1024;
const MIN_BYTES = 8 * 1024;

/**
 * Node's HTTP parser makes every piece of an upload anew. glibc gives the end of its heap back to the kernel whenever more than 128 KiB of it are free,
 * and would get it back page by page for the next pieces: half of what an upload costs. Once a large piece of memory has been freed, it keeps up to
 * twice as much (`M_MMAP_THRESHOLD` in mallopt(3)). This one is freed with the first garbage, and never touched.
 */
export function keepFreedMemory(): void {
  new ArrayBuffer(LARGE_BYTES);
}

const { port1: nowhere, port2: closed } = new MessageChannel();
closed.close();

/**
 * Frees the memory of a piece that nobody needs any more, which is empty from now on: left to the collector, pieces of an upload set it to work
 * for every few dozen MiB. Does nothing to small pieces and to those that are part of something larger.
 */
export function freePiece(piece: Buffer): void {
  const { buffer } = piece;
  if (!(buffer instanceof ArrayBuffer) || piece.length < MIN_BYTES || piece.length !== buffer.byteLength) return;
  // What is handed over to a port that nobody reads is gone at once. From Node 22 on there is `buffer.transfer(0)` for that.
  nowhere.postMessage(undefined, [buffer]);
}
