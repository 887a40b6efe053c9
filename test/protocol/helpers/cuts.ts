import type { ExecutionContext } from 'ava';
import { BufferReader, EndOfBytes } from '../../../src/protocol/index.ts';

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/[\s|]/g, ''), 'hex');
}

/**
 * Asserts what makes a reader of a stream right: it consumes exactly `bytes` and answers the same wherever they are cut in two, also when they come one by one
 * and when more follows; and every shorter beginning ends in `EndOfBytes`. `extraBytes` must follow for the end to be seen.
 */
export async function assertEveryCut<T>(
  t: ExecutionContext,
  bytes: Buffer,
  read: (reader: BufferReader) => Promise<T>,
  extraBytes: Buffer = Buffer.alloc(0),
): Promise<T> {
  const all = Buffer.concat([bytes, extraBytes]);
  const whole = new BufferReader(all);
  const expected = await read(whole);
  t.is(whole.position, bytes.length, 'consumed');
  const cuts = Array.from({ length: all.length }, (_, at) => [all.subarray(0, at), all.subarray(at)]);
  const oneByOne = [...all].map((byte) => Buffer.from([byte]));
  for (const pieces of [...cuts, oneByOne, [all, Buffer.from('more')]]) {
    const reader = new BufferReader(...pieces);
    const value = await read(reader);
    if (reader.position !== bytes.length) t.fail(`consumed ${reader.position} of ${bytes.length} when cut at ${pieces[0]?.length ?? 0}`);
    t.deepEqual(value, expected);
  }
  for (let at = 0; at < bytes.length; at += 1) {
    await t.throwsAsync(read(new BufferReader(bytes.subarray(0, at))), { instanceOf: EndOfBytes }, `prefix of ${at} bytes`);
  }
  return expected;
}
