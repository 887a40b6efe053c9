import { tableNameText, type Outbox } from '../catalog/index.ts';
import type { ServiceClient } from '../clickhouse/index.ts';
import { OUTBOX_COMMENT_PREFIX, outboxName, QUERY_COLUMN } from '../engine/index.ts';
import { ClickHouseException, ERROR_CODES } from '../errors.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import { NO_UUID } from './outbox-table.ts';
import type { Part } from './position.ts';

type Id = Pick<Outbox, 'database' | 'name'>;

/** What tells, cheaply, that something happened in an outbox. */
export interface OutboxSign extends Id {
  /** Changes when a part comes or goes. */
  readonly sign: string;
}

/** It went away with its database, say. */
export class OutboxGone extends Error {
  override readonly name = 'OutboxGone';
}

const IS_PART = `active AND rows > 0`;

/** One query for all outboxes of the server. */
export async function readSigns(client: Pick<ServiceClient, 'rows'>): Promise<OutboxSign[]> {
  return client.rows<OutboxSign>(
    `SELECT database, table AS name, concat(toString(max(min_block_number)), ' ', toString(count())) AS sign FROM system.parts ` +
      `WHERE ${IS_PART} AND startsWith(table, ${quoteString(outboxName(''))}) GROUP BY database, table`,
  );
}

/**
 * The parts of an outbox, whatever it is called by now, in the order in which they were inserted: another gateway may have renamed it, and given its name to another
 * one, since the catalog was read. Throws `OutboxGone` when it is.
 */
export async function readParts(client: Pick<ServiceClient, 'rows'>, outbox: Outbox): Promise<Part[]> {
  const parts = (await partsAt(client, outbox, outbox)) ?? (await partsAt(client, outbox, await nameNow(client, outbox)));
  if (parts === undefined) throw new Error(`the outbox ${tableNameText(outbox)} is being renamed`);
  return parts;
}

/** SQL: `Outbox.uuid` of a row of `system.tables`. */
const UUID_OF_OUTBOX =
  `if(toString(system.tables.uuid) = ${quoteString(NO_UUID)}, ` +
  `substring(comment, ${OUTBOX_COMMENT_PREFIX.length + 1}, 36), toString(system.tables.uuid))`;

interface PartRow {
  readonly name: string;
  readonly uuid: string;
  readonly block: string;
  readonly rows: string;
  readonly bytes: string;
  readonly insertedAt: number;
}

/** Undefined when another table has this name, or none. A row without name tells whose the parts are. */
async function partsAt(client: Pick<ServiceClient, 'rows'>, { uuid }: Outbox, { database, name }: Id): Promise<Part[] | undefined> {
  const [inDatabase, named] = [`database = ${quoteString(database)}`, quoteString(name)];
  const found = await client.rows<PartRow>(
    `SELECT name, toString(uuid) AS uuid, min_block_number AS block, rows, bytes_on_disk AS bytes, toUnixTimestamp(modification_time) AS insertedAt ` +
      `FROM system.parts WHERE ${IS_PART} AND ${inDatabase} AND table = ${named} ` +
      `UNION ALL SELECT '', ${UUID_OF_OUTBOX}, 0, 0, 0, 0 FROM system.tables WHERE ${inDatabase} AND name = ${named}`,
  );
  if (!found.some((row) => row.name === '' && row.uuid === uuid)) return undefined;
  return found
    .filter((row) => row.name !== '')
    .map((row) => ({
      name: row.name,
      uuid: row.uuid,
      block: Number(row.block),
      rows: Number(row.rows),
      bytes: Number(row.bytes),
      insertedAtMs: row.insertedAt * 1_000,
    }))
    .sort((one, other) => one.block - other.block);
}

/** Throws when the outbox is gone. */
async function nameNow(client: Pick<ServiceClient, 'rows'>, outbox: Outbox): Promise<Id> {
  const [id] = await client.rows<Id>(
    `SELECT database, name FROM system.tables WHERE startsWith(name, ${quoteString(outboxName(''))}) AND ${UUID_OF_OUTBOX} = ${quoteString(outbox.uuid)}`,
  );
  if (id === undefined) throw new OutboxGone(`the outbox ${tableNameText(outbox)} is gone`);
  return id;
}

/** One after the other, in this order; those that are gone already are no matter. */
export async function dropParts(client: Pick<ServiceClient, 'command' | 'rows'>, outbox: Outbox, parts: readonly Part[]): Promise<void> {
  const id = await nameNow(client, outbox);
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
  await client.command(`ALTER TABLE ${tableNameText(await nameNow(client, outbox))} DETACH PART ${quoteString(part.name)}`);
}

/** A part that was put aside, by whatever gateway, and is still there. */
export interface DetachedPart extends Id {
  readonly part: string;
  readonly detachedAtMs: number;
}

/** Those of one outbox, or of all. None where the service account may not look. */
export async function readDetached(client: Pick<ServiceClient, 'rows'>, outbox?: Id): Promise<DetachedPart[]> {
  const which =
    outbox === undefined
      ? `startsWith(table, ${quoteString(outboxName(''))})`
      : `database = ${quoteString(outbox.database)} AND table = ${quoteString(outbox.name)}`;
  try {
    const rows = await client.rows<{ database: string; table: string; name: string; at: number }>(
      `SELECT database, table, name, toUnixTimestamp(modification_time) AS at FROM system.detached_parts ` +
        `WHERE ${which} AND reason = '' ORDER BY at, name`,
    );
    return rows.map(({ database, table, name, at }) => ({ database, name: table, part: name, detachedAtMs: at * 1_000 }));
  } catch (error) {
    if (error instanceof ClickHouseException && error.code === ERROR_CODES.ACCESS_DENIED) return [];
    throw error;
  }
}

/** The block that a part's name tells (`all_5_5_0`: 5). */
export function blockOf(name: string): number {
  return Number(/_(\d+)_\d+_\d+(?:_\d+)?$/.exec(name)?.[1] ?? -1);
}

/** Whether something that the query with this id brought is in the outbox. */
export async function hasRowsOf(client: Pick<ServiceClient, 'rows'>, outbox: Id, queryId: string): Promise<boolean> {
  const isIts = `startsWith(${quoteIdentifier(QUERY_COLUMN)}, ${quoteString(`${queryId} `)})`;
  return (await client.rows(`SELECT 1 FROM ${tableNameText(outbox)} WHERE ${isIts} LIMIT 1`)).length > 0;
}

/** Statements for a person: to send a part that was put aside, and to throw it away. */
export function statementsForDetached(outbox: Id, { name }: Pick<Part, 'name'>): { readonly send: string; readonly drop: string } {
  const table = tableNameText(outbox);
  return {
    send: `ALTER TABLE ${table} ATTACH PART ${quoteString(name)}`,
    drop: `ALTER TABLE ${table} DROP DETACHED PART ${quoteString(name)} SETTINGS allow_drop_detached = 1`,
  };
}

const CONSTRAINT = 'sluice_outbox_is_full';

/** UUIDs of all outboxes that refuse INSERTs. */
export async function readRefusing(client: Pick<ServiceClient, 'rows'>): Promise<ReadonlySet<string>> {
  const rows = await client.rows<{ uuid: string }>(
    `SELECT ${UUID_OF_OUTBOX} AS uuid FROM system.tables ` +
      `WHERE startsWith(name, ${quoteString(outboxName(''))}) AND position(create_table_query, ${quoteString(CONSTRAINT)}) > 0`,
  );
  return new Set(rows.map(({ uuid }) => uuid));
}

/** From now on every INSERT fails with `sentence`, those of views as well. */
export async function refuseInserts(client: Pick<ServiceClient, 'command'>, outbox: Id, sentence: string): Promise<void> {
  await client.command(
    `ALTER TABLE ${tableNameText(outbox)} ADD CONSTRAINT IF NOT EXISTS ${CONSTRAINT} CHECK throwIf(1, ${quoteString(sentence)}) = 0`,
  );
}

export async function acceptInserts(client: Pick<ServiceClient, 'command'>, outbox: Id): Promise<void> {
  await client.command(`ALTER TABLE ${tableNameText(outbox)} DROP CONSTRAINT IF EXISTS ${CONSTRAINT}`);
}
