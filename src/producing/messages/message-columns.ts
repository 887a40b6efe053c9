import type { LandingColumn } from '../../catalog/index.ts';
import { quoteIdentifier } from '../../sql/index.ts';
import type { RenderedTable } from './types.ts';

/** Types by which the server's own engine knows a declared column as one that acts on the message; of any other type it is ordinary. */
const ACTING_TYPES: Readonly<Record<string, RegExp>> = { _key: /^String$/, _timestamp: /^DateTime(?:\('.*'\))?$/ };
/** The same with `kafka_map_virtual_columns_on_write`, which also takes them out of the body. */
const MAPPED_TYPES: Readonly<Record<string, RegExp>> = {
  ...ACTING_TYPES,
  '_headers.name': /^Array\(String\)$/,
  '_headers.value': /^Array\(String\)$/,
};

/** The columns whose values a message's body is made of, in order. */
export function bodyColumns({ columns, options }: Pick<RenderedTable, 'columns' | 'options'>): LandingColumn[] {
  return options.write.mapsVirtualColumns ? columns.filter(({ name, type }) => MAPPED_TYPES[name]?.test(type) !== true) : [...columns];
}

/** SQL for what a row says of its message; each is a constant where nothing can say it. */
export interface MessageColumns {
  /** Nullable(String). */
  readonly key: string;
  /** String: `''` for a row that says nothing else of its message, otherwise what `readTraits` reads. */
  readonly traits: string;
}

export function messageColumns(table: RenderedTable): MessageColumns {
  const acting = table.options.write.mapsVirtualColumns ? MAPPED_TYPES : ACTING_TYPES;
  const acts = (name: string): boolean => table.columns.some((column) => column.name === name && acting[name]?.test(column.type) === true);
  const has = (name: string): boolean => table.added.has(name) || acts(name);
  const id = quoteIdentifier;
  const key = acts('_key') ? `toNullable(${id('_key')})` : table.added.has('_key') ? id('_key') : "CAST(NULL, 'Nullable(String)')";
  const timestamp = table.added.has('_timestamp')
    ? `ifNull(toUnixTimestamp64Milli(${id('_timestamp')}), -1)`
    : `toInt64(toUnixTimestamp(${id('_timestamp')})) * 1000`;
  const said = [
    has('_timestamp') ? `(${timestamp}) > 0` : undefined,
    has('_partition') ? `isNotNull(${id('_partition')})` : undefined,
    has('_headers.name') ? `notEmpty(${id('_headers.name')})` : undefined,
    has('_headers.value') ? `notEmpty(${id('_headers.value')})` : undefined,
    has('_tombstone') ? `${id('_tombstone')} != 0` : undefined,
  ].filter((condition) => condition !== undefined);
  if (said.length === 0) return { key, traits: `''` };
  const values = [
    has('_timestamp') ? `toInt64(${timestamp})` : 'toInt64(-1)',
    has('_partition') ? `ifNull(${id('_partition')}, toInt32(-1))` : 'toInt32(-1)',
    has('_tombstone') ? `toUInt8(${id('_tombstone')} != 0)` : 'toUInt8(0)',
    has('_headers.name') ? id('_headers.name') : 'emptyArrayString()',
    has('_headers.value') ? id('_headers.value') : 'emptyArrayString()',
  ];
  return { key, traits: `if(${said.join(' OR ')}, formatRow('RowBinary', ${values.join(', ')}), '')` };
}
