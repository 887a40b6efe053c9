/**
 * Buffers that record batches were written into and that nobody needs any more. Memory outside of the JavaScript heap that comes and goes, a gigabyte for a
 * million messages, makes the garbage collector run far too often: a third of the cost of sending them.
 */
const spare: Buffer[] = [];
let spareBytes = 0;

const MOST_SPARE_BYTES = 12 << 20;
const LARGEST_BYTES = 2 << 20;

/** A buffer of at least so many bytes, with anything in them. */
export function takeBuffer(bytes: number): Buffer {
  const found = spare.findIndex(({ length }) => length >= bytes && length <= 2 * bytes);
  const [buffer] = found < 0 ? [] : spare.splice(found, 1);
  spareBytes -= buffer?.length ?? 0;
  return buffer ?? Buffer.allocUnsafeSlow(bytes);
}

/** The memory of a buffer that came from `takeBuffer`, or of a view into it: nobody may read or write it from now on. */
export function giveBuffer({ buffer }: Buffer): void {
  if (buffer.byteLength > LARGEST_BYTES || spareBytes + buffer.byteLength > MOST_SPARE_BYTES) return;
  spareBytes += buffer.byteLength;
  spare.push(Buffer.from(buffer));
}
