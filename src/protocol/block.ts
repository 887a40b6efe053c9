import { FrameReader } from './compression.ts';
import { layoutOf } from './columns/layout.ts';
import { readColumn } from './columns/read.ts';
import { skipColumn } from './columns/skip.ts';
import { ProtocolError, type ByteReader } from './reader.ts';
import { hasFeature } from './revisions.ts';
import { ByteWriter } from './writer.ts';

/** How many columns and rows a block has. */
export interface BlockSize {
  readonly columns: number;
  readonly rows: number;
}

/** A block's columns, and its values as text, row by row. */
export interface Block {
  readonly columns: readonly Column[];
  readonly values: string[][];
}

interface Column {
  readonly name: string;
  readonly type: string;
}

/** What a block is packed in, and at which revision it is written. */
export interface BlockEncoding {
  readonly revision: number;
  readonly isCompressed: boolean;
}

/** The server's own limit. Source: ClickHouse `src/Formats/NativeReader.cpp`. */
const MAX_COLUMNS = 1_000_000;

/**
 * Goes to the end of a block and says what it was, its columns to `onColumn` one by one. Rejects with `UnknownLayout` in the middle of it when a column cannot be walked.
 */
export async function skipBlock(
  reader: ByteReader,
  encoding: BlockEncoding,
  onColumn: (column: Column) => unknown = () => undefined,
): Promise<BlockSize> {
  return walkBlock(reader, encoding, async (source, column, rows, hasKinds) => {
    onColumn(column);
    if (rows > 0) await skipColumn(source, layoutOf(column.type), rows, hasKinds);
  });
}

export async function readRows(reader: ByteReader, encoding: BlockEncoding): Promise<Block> {
  const columns: Column[] = [];
  const texts: string[][] = [];
  const { rows } = await walkBlock(reader, encoding, async (source, column, columnRows, hasKinds) => {
    columns.push(column);
    if (columnRows > 0) texts.push(await readColumn(source, column.type, columnRows, hasKinds));
  });
  return { columns, values: Array.from({ length: rows }, (_, row) => texts.map((column) => column[row] ?? '')) };
}

type OnColumn = (source: ByteReader, column: Column, rows: number, hasKinds: boolean) => Promise<void>;

async function walkBlock(reader: ByteReader, { revision, isCompressed }: BlockEncoding, onColumn: OnColumn): Promise<BlockSize> {
  const source = isCompressed ? new FrameReader(reader) : reader;
  await skipBlockInfo(source, revision);
  const columns = await source.varuint();
  if (columns > MAX_COLUMNS) throw new ProtocolError(`a block of ${columns} columns`);
  const rows = await source.varuint();
  for (let i = 0; i < columns; i += 1) {
    const column = { name: await source.string(), type: await source.string() };
    const hasKinds = hasFeature(revision, 'column serialization kinds') && (await source.u8()) !== 0;
    if (rows === 0 && hasKinds) throw new ProtocolError('a column without rows has serialization kinds');
    await onColumn(source, column, rows, hasKinds);
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
