import { tableNameText, type Outbox } from '../catalog/index.ts';
import type { ServiceClient } from '../clickhouse/index.ts';
import { outboxName } from '../engine/index.ts';
import { ClickHouseException } from '../errors.ts';
import { quoteString } from '../sql/index.ts';
import { NO_UUID } from './outbox-table.ts';
import type { Part } from './position.ts';

type Id = Pick<Outbox, 'database' | 'name'>;

/** What tells, cheaply, that something happened in an outbox. */
export interface OutboxSign extends Id {
  /** Changes when a part comes or goes. */
  readonly sign: string;
}

const IS_PART = `active AND rows > 0`;

/** One query for all outboxes of the server. */
export async function readSigns(client: Pick<ServiceClient, 'rows'>): Promise<OutboxSign[]> {
  return client.rows<OutboxSign>(
    `SELECT database, table AS name, concat(toString(max(min_block_number)), ' ', toString(count())) AS sign FROM system.parts ` +
      `WHERE ${IS_PART} AND startsWith(table, ${quoteString(outboxName(''))}) GROUP BY database, table`,
  );
}

/** The parts of an outbox, whatever it is called by now, in the order in which they were inserted. */
export async function readParts(client: Pick<ServiceClient, 'rows'>, outbox: Outbox): Promise<Part[]> {
  const rows = await client.rows<{ name: string; uuid: string; block: string; rows: string; bytes: string; insertedAt: number }>(
    `SELECT name, toString(uuid) AS uuid, min_block_number AS block, rows, bytes_on_disk AS bytes, toUnixTimestamp(modification_time) AS insertedAt ` +
      `FROM system.parts WHERE ${IS_PART} AND (database, table) IN (${nameNow(outbox)}) ORDER BY min_block_number`,
  );
  return rows.map((row) => ({
    name: row.name,
    uuid: row.uuid,
    block: Number(row.block),
    rows: Number(row.rows),
    bytes: Number(row.bytes),
    insertedAtMs: row.insertedAt * 1_000,
  }));
}

/** A query for database and name: another gateway may have renamed the outbox, and given its name to another one, since the catalog was read. */
function nameNow({ database, name, uuid }: Outbox): string {
  const isIt =
    uuid === NO_UUID || uuid === ''
      ? `database = ${quoteString(database)} AND name = ${quoteString(name)}`
      : `startsWith(name, ${quoteString(outboxName(''))}) AND uuid = ${quoteString(uuid)}`;
  return `SELECT database, name FROM system.tables WHERE ${isIt}`;
}

/** The outbox under its name of this moment. */
async function found(client: Pick<ServiceClient, 'rows'>, outbox: Outbox): Promise<Id> {
  const [id] = await client.rows<Id>(nameNow(outbox));
  if (id === undefined) throw new Error(`the outbox ${tableNameText(outbox)} is gone`);
  return id;
}

/** One after the other, in this order; those that are gone already are no matter. */
export async function dropParts(client: Pick<ServiceClient, 'command' | 'rows'>, outbox: Outbox, parts: readonly Part[]): Promise<void> {
  const id = await found(client, outbox);
  try {
    await alterParts(client, id, parts);
  } catch (error) {
    if (!isGone(error)) throw error;
    for (const part of parts)
      await alterParts(client, id, [part]).catch((reason: unknown) => {
        if (!isGone(reason)) throw reason;
      });
  }
}

async function alterParts(client: Pick<ServiceClient, 'command'>, outbox: Id, parts: readonly Part[]): Promise<void> {
  const commands = parts.map(({ name }) => `DROP PART ${quoteString(name)}`);
  await client.command(`ALTER TABLE ${tableNameText(outbox)} ${commands.join(', ')}`);
}

const NO_SUCH_DATA_PART = 232;

function isGone(error: unknown): boolean {
  return error instanceof ClickHouseException && error.code === NO_SUCH_DATA_PART;
}

/** Puts a part aside: it stays on the server's disk and is not sent. */
export async function detachPart(client: Pick<ServiceClient, 'command' | 'rows'>, outbox: Outbox, part: Part): Promise<void> {
  await client.command(`ALTER TABLE ${tableNameText(await found(client, outbox))} DETACH PART ${quoteString(part.name)}`);
}

/** Statements for a person: to send a part that was put aside, and to throw it away. */
export function statementsForDetached(outbox: Id, { name }: Part): { readonly send: string; readonly drop: string } {
  const table = tableNameText(outbox);
  return {
    send: `ALTER TABLE ${table} ATTACH PART ${quoteString(name)}`,
    drop: `ALTER TABLE ${table} DROP DETACHED PART ${quoteString(name)} SETTINGS allow_drop_detached = 1`,
  };
}

const CONSTRAINT = 'sluice_outbox_is_full';

/** From now on every INSERT fails with `sentence`, those of views as well. */
export async function refuseInserts(client: Pick<ServiceClient, 'command'>, outbox: Id, sentence: string): Promise<void> {
  await client.command(
    `ALTER TABLE ${tableNameText(outbox)} ADD CONSTRAINT IF NOT EXISTS ${CONSTRAINT} CHECK throwIf(1, ${quoteString(sentence)}) = 0`,
  );
}

export async function acceptInserts(client: Pick<ServiceClient, 'command'>, outbox: Id): Promise<void> {
  await client.command(`ALTER TABLE ${tableNameText(outbox)} DROP CONSTRAINT IF EXISTS ${CONSTRAINT}`);
}
