import { ProtocolError, type ByteReader } from '../reader.ts';
import { UnknownLayout, type Layout } from './layout.ts';
import { readSparseCount, readKinds, type Kinds } from './serialization-kinds.ts';

/** Goes to the end of a column's values without looking at them. `rows` is not 0: a block without rows has no values, not even prefixes. */
export async function skipColumn(reader: ByteReader, layout: Layout, rows: number, hasKinds: boolean): Promise<void> {
  const kinds = hasKinds ? await readKinds(reader, layout) : undefined;
  await skipPrefix(reader, layout);
  await skipKind(reader, layout, rows, kinds);
}

/** What some types write once in front of everything: it comes before the offsets of an array around them. */
export async function skipPrefix(reader: ByteReader, layout: Layout): Promise<void> {
  switch (layout.kind) {
    case 'fixed':
    case 'string':
      return;
    case 'nullable':
    case 'array':
      return skipPrefix(reader, layout.inner);
    case 'tuple':
      for (const element of layout.elements) await skipPrefix(reader, element);
      return;
    case 'low cardinality':
      await reader.skip(8);
      return;
    case 'variant':
      // Mode 1 writes discriminators in another way.
      if ((await reader.u64()) !== 0n) throw new UnknownLayout('Variant');
      for (const alternative of layout.alternatives) await skipPrefix(reader, alternative);
  }
}

async function skipKind(reader: ByteReader, layout: Layout, rows: number, kinds: Kinds | undefined): Promise<void> {
  if (kinds === undefined || kinds.kind === 'default') {
    if (layout.kind !== 'tuple' || kinds === undefined) return skipValues(reader, layout, rows);
    for (const [at, element] of layout.elements.entries()) await skipKind(reader, element, rows, kinds.elements[at]);
    return;
  }
  if (kinds.kind === 'sparse' && layout.kind === 'nullable') throw new UnknownLayout('sparse Nullable');
  if (kinds.kind === 'sparse') return skipValues(reader, layout, await readSparseCount(reader));
  await reader.varuint();
  const indexBytes = await reader.u8();
  await reader.skip(rows * indexBytes);
  await skipValues(reader, layout, await reader.varuint());
}

async function skipValues(reader: ByteReader, layout: Layout, rows: number): Promise<void> {
  switch (layout.kind) {
    case 'fixed':
      return reader.skip(rows * layout.bytes);
    case 'string':
      return skipStrings(reader, rows);
    case 'nullable':
      await reader.skip(rows);
      return skipValues(reader, layout.inner, rows);
    case 'array':
      return skipValues(reader, layout.inner, await readLastOffset(reader, rows));
    case 'tuple':
      for (const element of layout.elements) await skipValues(reader, element, rows);
      return;
    case 'low cardinality':
      return skipLowCardinality(reader, layout.inner, rows);
    case 'variant':
      return skipVariant(reader, layout.alternatives, rows);
  }
}

/** The many strings that stand whole in the piece at hand are passed in one tight loop. */
async function skipStrings(reader: ByteReader, rows: number): Promise<void> {
  let left = rows;
  while (left > 0) {
    const { chunk } = reader;
    let { at } = reader;
    while (left > 0) {
      const length = chunk[at];
      if (length === undefined || length >= 0x80 || at + 1 + length > chunk.length) break;
      at += 1 + length;
      left -= 1;
    }
    reader.at = at;
    if (left === 0) return;
    await reader.skip(await reader.varuint());
    left -= 1;
  }
}

async function readLastOffset(reader: ByteReader, rows: number): Promise<number> {
  if (rows === 0) return 0;
  await reader.skip((rows - 1) * 8);
  return toCount(await reader.u64());
}

/** Two or three numbers: flags with the width of indexes in the low byte, the dictionary with its size, the indexes with their count. */
async function skipLowCardinality(reader: ByteReader, inner: Layout, rows: number): Promise<void> {
  if (rows === 0) return;
  const indexBytes = 2 ** Number((await reader.u64()) & 0xffn);
  if (indexBytes > 8) throw new ProtocolError('indexes of a LowCardinality column are too wide');
  const dictionary = inner.kind === 'nullable' ? inner.inner : inner;
  await skipValues(reader, dictionary, toCount(await reader.u64()));
  await reader.skip(toCount(await reader.u64()) * indexBytes);
}

const NULL_DISCRIMINATOR = 255;

async function skipVariant(reader: ByteReader, alternatives: readonly Layout[], rows: number): Promise<void> {
  const counts = alternatives.map(() => 0);
  for (let left = rows; left > 0;) {
    if (reader.available === 0) await reader.more();
    const piece = await reader.bytes(Math.min(left, reader.available));
    for (const discriminator of piece) {
      if (discriminator === NULL_DISCRIMINATOR) continue;
      counts[discriminator] = (counts[discriminator] ?? 0) + 1;
    }
    left -= piece.length;
  }
  for (const [at, alternative] of alternatives.entries()) await skipValues(reader, alternative, counts[at] ?? 0);
}

export function toCount(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ProtocolError('a count is too large');
  return Number(value);
}
