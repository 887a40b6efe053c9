import { randomInt } from 'node:crypto';
import { STRAY_ROW } from '../engine/index.ts';
import { SOURCES_OF_A_POSITION, type Carried, type CarriedField, type RecordCursor, type Splicer } from '../formats/index.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import type { SourceTable } from './sources.ts';

const CARRIED_FOR: Readonly<Record<string, Carried>> = {
  _offset: 'position',
  _timestamp: 'timestamp',
  _timestamp_ms: 'timestamp',
  _key: 'key',
  '_headers.name': 'header-names',
  '_headers.value': 'header-values',
};

/** The fields that rows carry so that these virtual columns can be made of them; `secret` begins their names. */
export function carriedFields(virtualColumns: readonly string[], secret: string, splicer: Splicer | undefined): CarriedField[] {
  const list = splicer?.listType ?? 'Array(String)';
  const types: Readonly<Record<Carried, string>> = {
    guard: 'UInt32',
    source: 'UInt32',
    position: 'UInt64',
    timestamp: 'Int64',
    key: 'String',
    'header-names': list,
    'header-values': list,
  };
  const wanted = virtualColumns.map((column) => CARRIED_FOR[column]);
  // What differs little from row to row stands together in front (`Splicer.createWriter`).
  const needed = new Set<Carried>([
    ...(splicer?.isPositional === true ? (['guard'] as const) : []),
    wanted.includes('position') ? 'position' : 'source',
    ...(wanted.includes('timestamp') ? (['timestamp'] as const) : []),
  ]);
  for (const what of wanted) if (what !== undefined) needed.add(what);
  return [...needed].map((what, i) => ({
    name: `${secret}${i}`,
    type: types[what],
    what,
    ...(what === 'guard' ? { constant: randomInt(1e9, 2 ** 32) } : {}),
  }));
}

/**
 * SQL that throws unless the server read exactly `rows` rows, each of them from where one of ours begins. Each begins with a secret (the
 * carried names, or the guard's value), and a payload holds none: as many rows as secrets, each with one, leave no row that began or ended elsewhere,
 * whatever the payloads made of the reader. It counts on the INSERT being one block.
 */
export function rowsAreOurs(fields: readonly CarriedField[], rows: number): string {
  const { name, constant } = fields[0] as CarriedField;
  const isStray = constant === undefined ? `${quoteIdentifier(name)} = 0` : `${quoteIdentifier(name)} != ${constant}`;
  return `${rowsAreAsMany(rows)} AND ${orStray(isStray)}`;
}

/** SQL that throws unless the server read exactly `rows` rows. It counts on the INSERT being one block. */
export function rowsAreAsMany(rows: number): string {
  return orStray(`blockSize() != ${rows}`);
}

function orStray(wrong: string): string {
  return `throwIf(${wrong}, ${quoteString(STRAY_ROW)}) = 0`;
}

/** The value of a virtual column as an SQL expression over the carried fields. */
export function splicedValue(column: string, fields: readonly CarriedField[], sources: SourceTable, splicer: Splicer): string {
  const field = (what: Carried): string => quoteIdentifier((fields.find((carried) => carried.what === what) as CarriedField).name);
  switch (column) {
    case '_topic':
      return ofSource(
        fields,
        sources.all.map((source) => quoteString(source.topic)),
      );
    case '_partition':
      return ofSource(
        fields,
        sources.all.map((source) => String(source.partition)),
      );
    case '_offset':
      return `intDiv(${field('position')}, ${SOURCES_OF_A_POSITION})`;
    case '_timestamp':
      return timestamp(field('timestamp'));
    case '_timestamp_ms':
      return timestampMs(field('timestamp'));
    case '_key':
      return splicer.decodeText(field('key'));
    case '_headers.name':
      return splicer.decodeList(field('header-names'));
    default:
      return splicer.decodeList(field('header-values'));
  }
}

/** What belongs to each row's source, given by source; nothing is looked up where it is all the same. */
function ofSource(fields: readonly CarriedField[], values: readonly string[]): string {
  const [value = ''] = values;
  if (values.every((one) => one === value)) return value;
  const { name, what } = fields.find((field) => field.what === 'source' || field.what === 'position') as CarriedField;
  const source = what === 'source' ? quoteIdentifier(name) : `${quoteIdentifier(name)} % ${SOURCES_OF_A_POSITION}`;
  return `arrayElement([${values.join(', ')}], ${source})`;
}

/** Milliseconds since the epoch, or -1, as `_timestamp_ms`. */
export function timestampMs(ms: string): string {
  return `if(${ms} < 0, NULL, fromUnixTimestamp64Milli(${ms}))`;
}

/** The same as `_timestamp`. */
export function timestamp(ms: string): string {
  return `if(${ms} < 0, NULL, toDateTime(intDiv(${ms}, 1000)))`;
}

/** The value of a virtual column for one message as an SQL expression; strings as hexadecimal, since their bytes may be anything. */
export function constantValue(column: string, topic: string, partition: number, message: RecordCursor): string {
  const text = (start: number, end: number): string => (end <= start ? `''` : `unhex('${message.bytes.toString('hex', start, end)}')`);
  const ms = `toInt64(${message.timestampMs})`;
  const headers: { name: string; value: string }[] = [];
  switch (column) {
    case '_topic':
      return quoteString(topic);
    case '_partition':
      return String(partition);
    case '_offset':
      return String(message.offset);
    case '_timestamp':
      return timestamp(ms);
    case '_timestamp_ms':
      return timestampMs(ms);
    case '_key':
      return text(message.keyStart, message.keyEnd);
    default:
      message.forEachHeader((nameStart, nameEnd, valueStart, valueEnd) => {
        headers.push({ name: text(nameStart, nameEnd), value: text(valueStart, valueEnd) });
      });
      return `CAST([${headers.map((header) => (column === '_headers.name' ? header.name : header.value)).join(', ')}], 'Array(String)')`;
  }
}
