import { type ByteReader, ProtocolError } from '../reader.ts';
import { UnknownLayout, type Layout } from './layout.ts';

/**
 * How a column's values are packed: all of them, only those that are not the default (sparse), or each different one once with indexes (replicated).
 * A tuple has a kind for itself and one for every element.
 *
 * Source: ClickHouse `src/DataTypes/Serializations/SerializationInfo.cpp`, `SerializationSparse.cpp`, `SerializationReplicated.cpp`.
 */
export interface Kinds {
  readonly kind: 'default' | 'sparse' | 'replicated';
  readonly elements: readonly Kinds[];
}

const KINDS: Readonly<Record<number, Kinds['kind']>> = { 0: 'default', 1: 'sparse', 4: 'replicated' };

export async function readKinds(reader: ByteReader, layout: Layout): Promise<Kinds> {
  const byte = await reader.u8();
  const kind = KINDS[byte];
  if (kind === undefined) throw new UnknownLayout(`serialization kind ${byte}`);
  const elements: Kinds[] = [];
  if (layout.kind === 'tuple') for (const element of layout.elements) elements.push(await readKinds(reader, element));
  return { kind, elements };
}

const END_OF_SPARSE = 1n << 62n;

/** The rows before each value that is not the default, up to the mark of the end. Calls back with the row of every value; answers how many there are. */
export async function readSparseRows(reader: ByteReader, onRow: (row: number) => void): Promise<number> {
  let row = 0;
  for (let count = 0; ; count += 1) {
    const skipped = await reader.varuint64();
    if ((skipped & END_OF_SPARSE) !== 0n) return count;
    if (skipped > BigInt(Number.MAX_SAFE_INTEGER)) throw new ProtocolError('a sparse column skips too many rows');
    row += Number(skipped);
    onRow(row);
    row += 1;
  }
}

export async function readSparseCount(reader: ByteReader): Promise<number> {
  return readSparseRows(reader, () => undefined);
}
