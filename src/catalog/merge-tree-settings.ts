import type { ServiceClient } from '../clickhouse/index.ts';
import { ClickHouseException } from '../errors.ts';
import { parseStatement, quoteString } from '../sql/index.ts';

/** The settings of a MergeTree table that say what an INSERT into it is worth, by name, with the values that a server has by default. */
const BUILT_IN = {
  non_replicated_deduplication_window: '0',
  replicated_deduplication_window: '10000',
  replicated_deduplication_window_seconds: '3600',
  fsync_after_insert: '0',
  fsync_part_directory: '0',
} as const;

export type MergeTreeSettingName = keyof typeof BUILT_IN;

/** Values of this server, for tables that have none of their own. Replicated tables have a section of the server's configuration to themselves. */
export interface MergeTreeDefaults {
  readonly plain: Readonly<Record<string, string>>;
  readonly replicated: Readonly<Record<string, string>>;
}

export const BUILT_IN_DEFAULTS: MergeTreeDefaults = { plain: BUILT_IN, replicated: BUILT_IN };

/** One query. An account that may not read them is answered the built-in ones. */
export async function readMergeTreeDefaults(client: Pick<ServiceClient, 'rows'>): Promise<MergeTreeDefaults> {
  const names = Object.keys(BUILT_IN).map(quoteString).join(', ');
  const select = (family: keyof MergeTreeDefaults, table: string): string =>
    `SELECT '${family}' AS family, name, value FROM system.${table} WHERE name IN (${names})`;
  const sql = `${select('plain', 'merge_tree_settings')} UNION ALL ${select('replicated', 'replicated_merge_tree_settings')}`;
  try {
    const rows = await client.rows<{ family: keyof MergeTreeDefaults; name: string; value: string }>(sql);
    const of = (family: keyof MergeTreeDefaults): Record<string, string> => ({
      ...BUILT_IN,
      ...Object.fromEntries(rows.filter((row) => row.family === family).map(({ name, value }) => [name, value])),
    });
    return { plain: of('plain'), replicated: of('replicated') };
  } catch (error) {
    if (error instanceof ClickHouseException) return BUILT_IN_DEFAULTS;
    throw error;
  }
}

/** A table's own settings by name, from what the server prints behind `ENGINE =`. Empty when there are none or they cannot be read. */
export function readOwnSettings(engineFull: string): Readonly<Record<string, string>> {
  if (!engineFull.includes(' SETTINGS ')) return {};
  const parsed = parseStatement(`CREATE TABLE t ENGINE = ${engineFull}`);
  if (!parsed.ok || parsed.statement.kind !== 'create-table') return {};
  const assignments = parsed.statement.settings.flatMap((clause) => clause.assignments);
  return Object.fromEntries(assignments.map(({ name, value }) => [name, value.kind === 'string' ? value.value : value.text]));
}
