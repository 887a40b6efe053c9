import { readFileSync } from 'node:fs';

const examples = new URL('../../examples/github/', import.meta.url);

/** What the messages look like and where they go. */
export interface Shape {
  readonly name: 'wide' | 'narrow';
  /** Declared columns, `name Type, …`, of the Kafka table; the target has them and the metadata. */
  readonly columns: string;
  readonly orderBy: string;
  /** A SELECT with FORMAT JSONEachRow that makes `{n:UInt64}` rows. */
  readonly rowsSql: string;
  readonly defaultRows: number;
}

/** The four virtual columns that every view reads, as the target stores them. */
export const METADATA_COLUMNS = 'topic LowCardinality(String), partition UInt64, offset UInt64, timestamp Nullable(DateTime)';
export const METADATA = '_topic AS topic, _partition AS partition, _offset AS offset, _timestamp AS timestamp';
/** The same four for a plain INSERT, which has no messages. */
export const CONSTANT_METADATA = `'none' AS topic, 0 AS partition, 0 AS offset, toDateTime('2026-01-01 00:00:00') AS timestamp`;

export const SHAPES: readonly Shape[] = [
  {
    name: 'wide',
    columns: githubColumns(),
    orderBy: 'event_type, repo_name, created_at',
    rowsSql: readFileSync(new URL('events.sql', examples), 'utf8'),
    defaultRows: 1_000_000,
  },
  {
    name: 'narrow',
    columns: 'id UInt64, k String, v Float64, t DateTime',
    orderBy: 'id',
    // 65 bytes a message on average.
    rowsSql: `SELECT number AS id, 'key' || toString(rand(1) % 99999) AS k, round(rand(2) / 6e6, 2) AS v,
        toDateTime('2026-01-01 00:00:00') + intDiv(number, 100) AS t
      FROM numbers({n:UInt64}) FORMAT JSONEachRow`,
    defaultRows: 4_000_000,
  },
];

/** The tutorial's 26 columns, from the statement in examples/github/. */
function githubColumns(): string {
  const statement = readFileSync(new URL('02-target-table.sql', examples), 'utf8');
  return statement.slice(statement.indexOf('(') + 1, statement.lastIndexOf(') ENGINE'));
}
