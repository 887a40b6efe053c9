import { randomUUID } from 'node:crypto';
import { tableNameText, type ManagedTable, type Outbox } from '../catalog/index.ts';
import type { ServiceClient } from '../clickhouse/index.ts';
import { outboxColumns, outboxComment, outboxName } from '../engine/index.ts';
import { ClickHouseException } from '../errors.ts';
import { formatSettingsColumn } from './messages/index.ts';
import { quoteString } from '../sql/index.ts';

/** What the server tells of a table in a database without UUIDs. */
export const NO_UUID = '00000000-0000-0000-0000-000000000000';

/**
 * - Merges are off, so that each inserted block stays one part; many may gather while Kafka is away.
 * - Part and folder are on the disk before an INSERT is answered: what was acknowledged is not lost with the power.
 * - Parts are told apart by UUID, since block numbers begin anew with an empty table.
 * - A part is read once, with all of its columns: one file for them, not two for each, is quicker to write and to remove.
 */
const SETTINGS = [
  'max_bytes_to_merge_at_max_space_in_pool = 1',
  'max_bytes_to_merge_at_min_space_in_pool = 1',
  'parts_to_delay_insert = 100000',
  'parts_to_throw_insert = 100000',
  'max_parts_in_total = 100000',
  'assign_part_uuids = 1',
  'min_bytes_for_wide_part = 1000000000000',
  'min_rows_for_wide_part = 1000000000000',
  'fsync_after_insert = 1',
  'fsync_part_directory = 1',
  // The gateway looks for repeats (`repeats.ts`).
  'non_replicated_deduplication_window = 0',
];

/** What the comment of an outbox says of whose it is. */
export function ownerOf({ uuid, database, table }: Pick<ManagedTable, 'uuid' | 'database' | 'table'>): string {
  return hasUuid(uuid) ? uuid : `${database}.${table}`;
}

function hasUuid(uuid: string): boolean {
  return uuid !== NO_UUID && uuid !== '';
}

/** `outboxUuid`: of the outbox that is there already. */
function commentFor(table: ManagedTable, outboxUuid: string = randomUUID()): string {
  return quoteString(hasUuid(table.uuid) ? outboxComment(ownerOf(table)) : outboxComment(ownerOf(table), outboxUuid));
}

export function outboxOf({ database, table }: Pick<ManagedTable, 'database' | 'table'>): {
  readonly database: string;
  readonly name: string;
} {
  return { database, name: outboxName(table) };
}

/** Makes the table's outbox if there is none of its name. Throws what the server says. */
export async function createOutbox(client: Pick<ServiceClient, 'command' | 'rows' | 'stream'>, table: ManagedTable): Promise<void> {
  const { written, options } = table;
  const settings = await formatSettingsColumn(client, options.format);
  const added = [...outboxColumns(new Set(written.names)), settings].filter(({ name }) => !written.names.includes(name));
  const columns = [...written.declarations, ...added.map(({ declaration }) => declaration)];
  await client.command(
    `CREATE TABLE IF NOT EXISTS ${tableNameText(outboxOf(table))} (${columns.join(', ')}) ENGINE = MergeTree ORDER BY tuple() ` +
      `SETTINGS ${SETTINGS.join(', ')} COMMENT ${commentFor(table)}`,
    ALLOW_ANY_TYPE,
  );
}

/** The client's CREATE TABLE was allowed these types; the service account's profile may not allow them by itself. */
const ALLOW_ANY_TYPE = {
  allow_suspicious_low_cardinality_types: 1,
  allow_suspicious_variant_types: 1,
  allow_suspicious_fixed_string_types: 1,
};

/** What an outbox lacks or has otherwise than `table` needs it, as a sentence; undefined: it fits. */
export async function misfitOf(
  client: Pick<ServiceClient, 'rows'>,
  outbox: Pick<Outbox, 'database' | 'name'>,
  table: ManagedTable,
): Promise<string | undefined> {
  const found = await client.rows<{ name: string; type: string }>(
    `SELECT name, type FROM system.columns WHERE database = ${quoteString(outbox.database)} AND table = ${quoteString(outbox.name)}`,
  );
  const types = new Map(found.map(({ name, type }) => [name, type]));
  const wrong = table.written.columns.find(({ name, type }) => types.get(name) !== type);
  if (wrong === undefined) return undefined;
  return `its column ${wrong.name} is ${types.get(wrong.name) ?? 'missing'}, and the table's is ${wrong.type}`;
}

export async function renameOutbox(
  client: Pick<ServiceClient, 'command'>,
  from: Pick<Outbox, 'database' | 'name'>,
  to: Pick<Outbox, 'database' | 'name'>,
): Promise<void> {
  await client.command(`RENAME TABLE ${tableNameText(from)} TO ${tableNameText(to)}`);
}

/** Both have a name at every moment: views write on meanwhile. */
export async function exchangeOutboxes(
  client: Pick<ServiceClient, 'command'>,
  one: Pick<Outbox, 'database' | 'name'>,
  other: Pick<Outbox, 'database' | 'name'>,
): Promise<void> {
  await client.command(`EXCHANGE TABLES ${tableNameText(one)} AND ${tableNameText(other)}`);
}

/** A name for an outbox without table, so that another one may have its name: no table's name makes it an outbox of its own. */
export function asideOf({ database, name, uuid }: Outbox): { readonly database: string; readonly name: string } {
  return { database, name: `${name}.${uuid}` };
}

export function isAt(outbox: Pick<Outbox, 'database' | 'name'>, { database, name }: Pick<Outbox, 'database' | 'name'>): boolean {
  return outbox.database === database && outbox.name === name;
}

/** Its rows belong to `table` from now on. */
export async function adoptOutbox(client: Pick<ServiceClient, 'command'>, outbox: Outbox, table: ManagedTable): Promise<void> {
  await client.command(`ALTER TABLE ${tableNameText(outbox)} MODIFY COMMENT ${commentFor(table, outbox.uuid)}`);
}

export async function dropOutbox(client: Pick<ServiceClient, 'command'>, outbox: Pick<Outbox, 'database' | 'name'>): Promise<void> {
  await client.command(`DROP TABLE IF EXISTS ${tableNameText(outbox)} SYNC`);
}

/** Whether the Kafka table of an outbox is there, attached or not, whatever can be read of its definition. */
export async function ownerExists(client: Pick<ServiceClient, 'rows'>, outbox: Outbox): Promise<boolean> {
  if (await isIn(client, 'system.tables', 'name', outbox)) return true;
  try {
    return await isIn(client, 'system.detached_tables', 'table', outbox);
  } catch (error) {
    // Not every engine of databases can tell.
    if (error instanceof ClickHouseException) return false;
    throw error;
  }
}

async function isIn(
  client: Pick<ServiceClient, 'rows'>,
  tables: string,
  nameColumn: string,
  { database, owner }: Outbox,
): Promise<boolean> {
  const isUuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(owner);
  const name = `concat(database, '.', ${nameColumn})`;
  const isOwner = isUuid ? `uuid = ${quoteString(owner)}` : `database = ${quoteString(database)} AND ${name} = ${quoteString(owner)}`;
  // A table may have moved to another database; what is detached stays where it is.
  const where = tables === 'system.tables' ? isOwner : `database = ${quoteString(database)} AND ${isOwner}`;
  const [found] = await client.rows<{ count: string }>(`SELECT count() AS count FROM ${tables} WHERE ${where}`);
  return found?.count !== '0';
}
