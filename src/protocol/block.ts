import { FrameReader } from './compression.ts';
import { layoutOf } from './columns/layout.ts';
import { readColumn } from './columns/read.ts';
import { skipColumn } from './columns/skip.ts';
import { ProtocolError, type ByteReader } from './reader.ts';
import { hasFeature } from './revisions.ts';
import { ByteWriter } from './writer.ts';

/** A block's columns, and how many rows it has; values are elsewhere. */
export interface BlockShape {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: number;
}

/** What a block is packed in, and at which revision it is written. */
export interface BlockEncoding {
  readonly revision: number;
  readonly isCompressed: boolean;
}

/** Goes to the end of a block and says what it was. Rejects with `UnknownLayout` in the middle of it when a column cannot be walked. */
export async function skipBlock(reader: ByteReader, encoding: BlockEncoding): Promise<BlockShape> {
  return readBlock(reader, encoding, (source, type, rows, hasKinds) => skipColumn(source, layoutOf(type), rows, hasKinds));
}

/** Reads a block's values as text, row by row. */
export async function readRows(reader: ByteReader, encoding: BlockEncoding): Promise<BlockShape & { readonly values: string[][] }> {
  const columns: string[][] = [];
  const shape = await readBlock(reader, encoding, async (source, type, rows, hasKinds) => {
    columns.push(await readColumn(source, type, rows, hasKinds));
  });
  const values = Array.from({ length: shape.rows }, (_, row) => columns.map((column) => column[row] ?? ''));
  return { ...shape, values };
}

type ReadColumn = (source: ByteReader, type: string, rows: number, hasKinds: boolean) => Promise<void>;

async function readBlock(reader: ByteReader, { revision, isCompressed }: BlockEncoding, onColumn: ReadColumn): Promise<BlockShape> {
  const source = isCompressed ? new FrameReader(reader) : reader;
  await skipBlockInfo(source, revision);
  const columnCount = await source.varuint();
  const rows = await source.varuint();
  const columns: { name: string; type: string }[] = [];
  for (let i = 0; i < columnCount; i += 1) {
    const column = { name: await source.string(), type: await source.string() };
    columns.push(column);
    const hasKinds = hasFeature(revision, 'column serialization kinds') && (await source.u8()) !== 0;
    if (rows > 0) await onColumn(source, column.type, rows, hasKinds);
    else if (hasKinds) throw new ProtocolError('a column without rows has serialization kinds');
  }
  return { columns, rows };
}

const INFO_END = 0;
const INFO_IS_OVERFLOWS = 1;
const INFO_BUCKET_NUMBER = 2;
const INFO_OUT_OF_ORDER_BUCKETS = 3;

async function skipBlockInfo(reader: ByteReader, revision: number): Promise<void> {
  for (;;) {
    const field = await reader.varuint();
    if (field === INFO_END) return;
    if (field === INFO_IS_OVERFLOWS) await reader.skip(1);
    else if (field === INFO_BUCKET_NUMBER) await reader.skip(4);
    else if (field === INFO_OUT_OF_ORDER_BUCKETS && hasFeature(revision, 'out-of-order buckets'))
      await reader.skip(4 * (await reader.varuint()));
    else throw new ProtocolError(`a block's info has an unknown field ${field}`);
  }
}

/** The block without columns and rows that ends what a client sends; not compressed. */
export function emptyBlock(revision: number): Buffer {
  return new ByteWriter().raw(blockInfo(revision)).varuint(0).varuint(0).bytes();
}

/** What every block begins with, of a block that is nothing special. */
export function blockInfo(revision: number): Buffer {
  const writer = new ByteWriter().u8(INFO_IS_OVERFLOWS).u8(0).u8(INFO_BUCKET_NUMBER).i32(-1);
  if (hasFeature(revision, 'out-of-order buckets')) writer.u8(INFO_OUT_OF_ORDER_BUCKETS).varuint(0);
  return writer.u8(INFO_END).bytes();
}
