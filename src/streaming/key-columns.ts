import type { LandingColumn, ManagedTable } from '../catalog/index.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';

/** Begins the server's exception when a message's key cannot be read. */
export const UNREADABLE_KEY = 'The message key cannot be read';

/** The columns that a message's key fills, whatever its value says (`kafka_key_columns`), and those that the value fills. */
export function splitColumns({ columns, options }: ManagedTable): {
  readonly ofKey: readonly LandingColumn[];
  readonly ofValue: readonly LandingColumn[];
} {
  const isOfKey = ({ name }: LandingColumn): boolean => options.keyColumns.includes(name);
  return { ofKey: columns.filter(isOfKey), ofValue: columns.filter((column) => !isOfKey(column)) };
}

/** The value of such a column; `key`: SQL for the key's bytes. */
export function keyColumnValue({ name, type }: LandingColumn, { options }: ManagedTable, key: string): string {
  if (options.keyFormat === 'RawBLOB') return type === 'String' ? key : `accurateCast(${key}, ${quoteString(type)})`;
  return `JSONExtract(${key}, ${quoteString(name)}, ${quoteString(type)})`;
}

/**
 * SQL that throws `UNREADABLE_KEY` for a key that does not fill its columns; nothing when there are none. As in JSONEachRow a member that is missing, or null,
 * leaves its column with the type's default.
 */
export function keyConditions(table: ManagedTable, key: string): string[] {
  const { ofKey } = splitColumns(table);
  if (ofKey.length === 0) return [];
  const { keyFormat } = table.options;
  const wrong = keyFormat === 'RawBLOB' ? ofKey.flatMap((column) => rawIsWrong(column, key)) : jsonIsWrong(ofKey, key);
  const columns = ofKey.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`).join(', ');
  const text = quoteString(`${UNREADABLE_KEY} as ${keyFormat} into (${columns})`);
  return wrong.map((condition) => `throwIf(${condition}, ${text}) = 0`);
}

function rawIsWrong({ type }: LandingColumn, key: string): string[] {
  return type === 'String' ? [] : [`isNull(accurateCastOrNull(${key}, ${quoteString(type)}))`];
}

/** `JSONExtract` gives a default for what does not fit: as Nullable it shows. */
function jsonIsWrong(columns: readonly LandingColumn[], key: string): string[] {
  const doesNotFit = columns
    .filter(({ type }) => !/^(?:Nullable|Array|Map|Tuple|Nested|LowCardinality|Variant|Dynamic|JSON)\b/.test(type))
    .map(({ name, type }) => {
      const member = `${key}, ${quoteString(name)}`;
      return `JSONType(${member}) NOT IN ('Null') AND isNull(JSONExtract(${member}, ${quoteString(`Nullable(${type})`)}))`;
    });
  return [`JSONType(${key}) != 'Object' OR NOT isValidJSON(${key})`, ...doesNotFit];
}
