import type { Message } from 'kafkajs';
import { withNullHeader } from '../../helpers/null-header.ts';
import { ask } from '../../helpers/engines.ts';

/** One message's bytes, made by hand or by the server: `select` is a SELECT without FORMAT, `format` the case's own when absent; parts are joined. */
export type Payload = string | Buffer | Rendered | readonly Rendered[];

export interface Rendered {
  readonly select: string;
  readonly format?: string;
  /** Of the rendering query, as SQL. */
  readonly settings?: string;
}

/** Messages of one format that the server's own engine reads without an error. */
export interface FormatCase {
  readonly format: string;
  readonly columns: string;
  /** Of both tables, and of the queries that render messages. */
  readonly settings?: string;
  /** Of the queries that render messages, instead. */
  readonly renderSettings?: string;
  readonly payloads: readonly Payload[];
  /** The topic holds the first payload and nothing else. */
  readonly isOnlyMessage?: boolean;
  /** With these settings an empty message is a broken one. */
  readonly isEmptyBroken?: boolean;
}

/**
 * Formats that begin with something: to the server's own engine an empty message is a broken one, not one without rows (and one that its JSON parser
 * does not get over). They are met among the broken messages, in hostile.test.ts.
 */
const EMPTY_IS_BROKEN =
  /^(Arrow.*|Avro|DWARF|GeoJSON|JSON|JSONCompact|JSONObjectEachRow|MySQLDump|Npy|ORC|Parquet.*|RowBinaryWith.+|Template.*|Custom.+Names.*|JSONCompact.+Names.*)$/;

/** A case whose messages no table can read, and what the server's own engine says to the first. */
export interface UnreadableCase extends FormatCase {
  readonly error: string;
}

export const COLUMNS = 'id UInt64, name String, note Nullable(String), tags Array(String), price Decimal(9, 2)';

/** `(…), (…)` as a SELECT with the columns given. */
export function values(rows: string, columns = COLUMNS): string {
  return `SELECT * FROM values('${columns.replaceAll("'", "\\'")}', ${rows})`;
}

export const ONE_ROW = values(`(1, 'one', 'n', ['a'], 1.25)`);
export const SEVERAL_ROWS = values(`(2, 'two', 'n', ['a', 'b'], 1.25), (3, 'three', 'm', [], -5), (4, 'four', '', ['x'], -99999.99)`);
export const NULLS = values(`(5, 'five', NULL, [], 0)`);
export const WORDS_LIKE_NULL = values(`(6, 'NULL', 'nil', ['NULL', 'null'], 0), (6, 'null', 'n', [''], 0)`);
export const UNICODE = values(`(7, 'ünï 😀', '漢字', ['é', '\\u2028'], 0)`);
export const EMPTY_STRINGS = values(`(8, '', '', [''], 0)`);
export const SPECIAL_CHARACTERS = values(
  `(18446744073709551615, 'a"b\\'c\\nd\\te\\\\f,g;h{}[]()&=<>%', '\\r\\n"', ['\\'', '"', ',', '\\n', '\\\\'], -0.01), (9, ' blanks ', '\\t', [], 0)`,
);
export const NO_ROWS = `${ONE_ROW} LIMIT 0`;

/** What formats with rows of any text can hold. */
export const ANY_ROWS = [ONE_ROW, SEVERAL_ROWS, NULLS, WORDS_LIKE_NULL, UNICODE, EMPTY_STRINGS, SPECIAL_CHARACTERS].map((select) => ({
  select,
}));

type Metadata = Omit<Message, 'value'>;

export const METADATA: readonly Metadata[] = [
  {},
  { key: 'key' },
  { key: '' },
  { key: null, headers: { trace: 'abc', empty: '' } },
  {
    key: Buffer.from([0, 0xff, 0x0a, 0x09, 0x22, 0x5c, 0x2c]),
    headers: { twice: ['1', '2'], other: 'x', 'sp ace,"\n': Buffer.from([0xff, 0]) },
  },
  { key: 'ключ', headers: withNullHeader('nothing', { some: 'thing' }) },
];

/** The case's messages: the first payload with all kinds of metadata, then every payload; between them, in both partitions, a tombstone and an empty message. */
export async function messagesOf(url: string, one: FormatCase): Promise<Message[]> {
  const bytes = await payloadsOf(url, one);
  const { format } = one;
  const [first] = bytes;
  if (one.isOnlyMessage === true) return bytes.map((value) => ({ ...METADATA[3], value }));
  const all = [
    ...METADATA.map((metadata) => ({ ...metadata, value: first ?? null })),
    { key: 'tombstone', value: null },
    { value: null, headers: { h: 'v' } },
    ...(one.isEmptyBroken === true || EMPTY_IS_BROKEN.test(format) ? [] : [{ value: '' }, { key: 'empty', value: '' }]),
    ...bytes.map((value, i) => ({ ...METADATA[i % METADATA.length], value })),
  ];
  return all.map((message, i) => ({ ...message, partition: i % 2, timestamp: String(1_700_000_000_000 + i * 333) }));
}

/** The bytes of the case's payloads. */
export async function payloadsOf(url: string, { payloads, format, settings, renderSettings = settings }: FormatCase): Promise<Buffer[]> {
  const bytes: Buffer[] = [];
  for (const payload of payloads) bytes.push(await bytesOf(url, payload, format, renderSettings));
  return bytes;
}

async function bytesOf(url: string, payload: Payload, format: string, settings?: string): Promise<Buffer> {
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) return Buffer.from(payload as string);
  const parts: Buffer[] = [];
  for (const part of Array.isArray(payload) ? (payload as readonly Rendered[]) : [payload as Rendered]) {
    const all = [settings, part.settings].filter((some) => some !== undefined && some !== '').join(', ');
    const sql = `${part.select} FORMAT ${part.format ?? format}${all === '' ? '' : ` SETTINGS ${all}`}`;
    parts.push(Buffer.from(await ask(url, sql), 'latin1'));
  }
  return Buffer.concat(parts);
}
