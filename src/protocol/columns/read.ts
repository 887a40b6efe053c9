import type { ByteReader } from '../reader.ts';
import { UnknownLayout, layoutOf, type Layout } from './layout.ts';
import { readKinds, readSparseRows } from './serialization-kinds.ts';
import { skipPrefix, toCount } from './skip.ts';
import { splitTypeName } from './type-names.ts';

/** Values of one column as the server's text formats show them. */
type ReadValues = (reader: ByteReader, rows: number) => Promise<string[]>;

interface TextType {
  readonly readValues: ReadValues;
  /** What a row holds that a sparse column leaves out. */
  readonly defaultText: string;
  /** Inside an array, texts stand in quotes. */
  readonly isQuoted: boolean;
}

const NULL_TEXT = '\\N';

/**
 * Reads a column of a small answer as text, one value a row. Knows what helper queries select: strings, integers, `Bool`, `Enum8`, `UUID`, and
 * `Nullable`, `LowCardinality` and `Array` of those; other types throw `UnknownLayout` before anything is read.
 */
export async function readColumn(reader: ByteReader, type: string, rows: number, hasKinds: boolean): Promise<string[]> {
  const text = textType(type);
  const layout = layoutOf(type);
  const { kind } = hasKinds ? await readKinds(reader, layout) : { kind: 'default' };
  await skipPrefix(reader, layout);
  switch (kind) {
    case 'sparse':
      return readSparse(reader, layout, text, rows);
    case 'replicated':
      return readReplicated(reader, text, rows);
    default:
      return text.readValues(reader, rows);
  }
}

/** Whether `readColumn` knows the type. */
export function isReadable(type: string): boolean {
  try {
    textType(type);
    return true;
  } catch {
    return false;
  }
}

async function readSparse(reader: ByteReader, layout: Layout, text: TextType, rows: number): Promise<string[]> {
  if (layout.kind === 'nullable') throw new UnknownLayout('sparse Nullable');
  const rowsWithValue: number[] = [];
  await readSparseRows(reader, (row) => rowsWithValue.push(row));
  const values = await text.readValues(reader, rowsWithValue.length);
  const all = new Array<string>(rows).fill(text.defaultText);
  for (const [at, row] of rowsWithValue.entries()) all[row] = values[at] ?? text.defaultText;
  return all;
}

async function readReplicated(reader: ByteReader, text: TextType, rows: number): Promise<string[]> {
  await reader.varuint();
  const indexes = await readIntegers(reader, rows, await reader.u8(), false);
  const values = await text.readValues(reader, await reader.varuint());
  return indexes.map((index) => values[Number(index)] ?? text.defaultText);
}

function textType(type: string): TextType {
  const { name, parameters } = splitTypeName(type);
  const inner = parameters[0] ?? '';
  const integer = /^(U?)Int(8|16|32|64)$/.exec(name);
  if (integer !== null) {
    const bytes = Number(integer[2]) / 8;
    return plain('0', (reader, rows) => readIntegers(reader, rows, bytes, integer[1] === ''));
  }
  switch (name) {
    case 'String':
      return quoted('', readStrings);
    case 'Nothing':
      return plain(NULL_TEXT, async (reader, rows) => [...(await reader.bytes(rows))].map(() => NULL_TEXT));
    case 'Bool':
      return plain('false', async (reader, rows) => [...(await reader.bytes(rows))].map((byte) => String(byte !== 0)));
    case 'Enum8':
      return enum8(parameters);
    case 'UUID':
      return quoted('00000000-0000-0000-0000-000000000000', readUuids);
    case 'Nullable':
      return nullable(textType(inner));
    case 'LowCardinality':
      return lowCardinality(inner);
    case 'Array':
      return array(textType(inner));
    default:
      throw new UnknownLayout(type);
  }
}

function plain(defaultText: string, readValues: ReadValues): TextType {
  return { readValues, defaultText, isQuoted: false };
}

function quoted(defaultText: string, readValues: ReadValues): TextType {
  return { readValues, defaultText, isQuoted: true };
}

async function readStrings(reader: ByteReader, rows: number): Promise<string[]> {
  const values: string[] = [];
  for (let i = 0; i < rows; i += 1) values.push(await reader.string(MAX_STRING_BYTES));
  return values;
}

const MAX_STRING_BYTES = 64 * 1024 * 1024;

async function readIntegers(reader: ByteReader, rows: number, bytes: number, isSigned: boolean): Promise<string[]> {
  const values = await reader.bytes(rows * bytes);
  const texts: string[] = [];
  for (let i = 0; i < rows; i += 1) texts.push(integerAt(values, i * bytes, bytes, isSigned));
  return texts;
}

function integerAt(values: Buffer, at: number, bytes: number, isSigned: boolean): string {
  if (bytes === 8) return String(isSigned ? values.readBigInt64LE(at) : values.readBigUInt64LE(at));
  return String(isSigned ? values.readIntLE(at, bytes) : values.readUIntLE(at, bytes));
}

async function readUuids(reader: ByteReader, rows: number): Promise<string[]> {
  const texts: string[] = [];
  for (let i = 0; i < rows; i += 1) {
    const high = await reader.u64();
    const hex = high.toString(16).padStart(16, '0') + (await reader.u64()).toString(16).padStart(16, '0');
    texts.push(hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
  }
  return texts;
}

function enum8(parameters: readonly string[]): TextType {
  const names = new Map<string, string>();
  for (const parameter of parameters) {
    const [, name = '', value = ''] = /^'((?:[^'\\]|\\.)*)' = (-?\d+)$/s.exec(parameter) ?? [];
    names.set(value, name.replace(/\\(.)/gs, '$1'));
  }
  const first = [...names.values()][0] ?? '';
  return quoted(first, async (reader, rows) => (await readIntegers(reader, rows, 1, true)).map((value) => names.get(value) ?? value));
}

function nullable(inner: TextType): TextType {
  const readValues: ReadValues = async (reader, rows) => {
    const nulls = Buffer.from(await reader.bytes(rows));
    const values = await inner.readValues(reader, rows);
    return values.map((value, row) => (nulls[row] === 0 ? value : NULL_TEXT));
  };
  return { ...inner, readValues, defaultText: NULL_TEXT };
}

function lowCardinality(type: string): TextType {
  const { name, parameters } = splitTypeName(type);
  const isNullable = name === 'Nullable';
  const inner = textType(isNullable ? (parameters[0] ?? '') : type);
  const readValues: ReadValues = async (reader, rows) => {
    if (rows === 0) return [];
    const indexBytes = 2 ** Number((await reader.u64()) & 0xffn);
    const dictionary = await inner.readValues(reader, toCount(await reader.u64()));
    if (isNullable) dictionary[0] = NULL_TEXT;
    const indexes = await readIntegers(reader, toCount(await reader.u64()), indexBytes, false);
    return indexes.map((index) => dictionary[Number(index)] ?? '');
  };
  return { ...inner, readValues };
}

function array(inner: TextType): TextType {
  const readValues: ReadValues = async (reader, rows) => {
    const ends: number[] = [];
    for (let i = 0; i < rows; i += 1) ends.push(toCount(await reader.u64()));
    const values = await inner.readValues(reader, ends.at(-1) ?? 0);
    const texts = values.map((value) => inArray(value, inner.isQuoted));
    return ends.map((end, row) => `[${texts.slice(row === 0 ? 0 : ends[row - 1], end).join(',')}]`);
  };
  return plain('[]', readValues);
}

function inArray(value: string, isQuoted: boolean): string {
  if (value === NULL_TEXT) return 'NULL';
  return isQuoted ? `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'` : value;
}
