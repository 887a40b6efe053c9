import type { ServiceClient } from '../clickhouse/index.ts';
import {
  DEFINITION_PREFIX,
  isDefinition,
  placeOfDatabase,
  placeOfUuid,
  renewDefinition,
  takesUuids,
  type Definition,
  type Renewal,
  type SecretKeys,
} from '../engine/index.ts';
import { ClickHouseException } from '../errors.ts';
import { parseStatement, quoteString } from '../sql/index.ts';
import { tableNameText } from './table-name.ts';

export interface RenewDefinitionsOptions {
  readonly client: Pick<ServiceClient, 'rows' | 'command'>;
  /** With a current key. */
  readonly secretKeys: SecretKeys;
  /** A person has looked at the definitions that nobody signed, or that were signed for another table. */
  readonly signUnsigned: boolean;
  readonly signMoved: boolean;
  /** Takes a line for the person who asked. No secrets are in it. */
  readonly tell: (line: string) => void;
}

interface FoundTable {
  readonly database: string;
  readonly name: string;
  readonly uuid: string;
  readonly comment: string;
  readonly databaseEngine: string;
}

/**
 * Seals and signs every definition on the server with the current key. Each table is one statement, and what is done is left alone, so it may be interrupted and
 * repeated. Resolves with whether all of them are signed with that key now; throws what the client throws when the tables cannot be listed.
 */
export async function renewDefinitions(asked: RenewDefinitionsOptions): Promise<boolean> {
  // Names of tables are anybody's, and a terminal may take them for commands.
  const options = { ...asked, tell: (line: string) => asked.tell(line.replace(/[\x00-\x1f\x7f-\x9f]/g, '?')) };
  const found = await readTables(options.client);
  const done = { renewed: 0, current: 0, left: 0 };
  for (const table of found) done[await renewTable(table, options)] += 1;
  for (const table of await readDetached(options.client)) {
    if (renew(table, options).kind === 'current') done.current += 1;
    else {
      done.left += 1;
      options.tell(`${tableNameText(table)}: left alone: it is detached: attach it and run this command again`);
    }
  }
  options.tell(`${done.renewed} signed with the new key, ${done.current} were signed with it before, ${done.left} left alone`);
  return done.left === 0;
}

async function renewTable(listed: FoundTable, options: RenewDefinitionsOptions): Promise<'renewed' | 'current' | 'left'> {
  const { client, tell } = options;
  // Read once more: others may change comments meanwhile.
  const [table] = await readTables(client, listed);
  if (table === undefined) return 'current';
  const name = tableNameText(table);
  const renewal = renew(table, options);
  if (renewal.kind === 'current') return 'current';
  if (renewal.kind === 'unreadable') {
    tell(`${name}: left alone: ${renewal.reason}`);
    return 'left';
  }
  if (renewal.kind !== 'renewed') {
    for (const line of whatItSays(name, renewal.definition)) tell(line);
    if (!(renewal.kind === 'unsigned' ? options.signUnsigned : options.signMoved)) {
      tell(`${name}: left alone: ${renewal.reason}`);
      return 'left';
    }
  }
  try {
    await client.command(`ALTER TABLE ${name} MODIFY COMMENT ${quoteString(renewal.comment)}`);
  } catch (error) {
    tell(`${name}: left alone: ${error instanceof Error ? error.message : String(error)}`);
    return 'left';
  }
  tell(`${name}: ${renewal.kind === 'renewed' ? 'signed' : `was ${renewal.kind}, signed now`}`);
  return 'renewed';
}

/** The settings are what will be run, whatever the statement says. Quoted as JSON: whoever wrote them may have written what a terminal would take for commands. */
function whatItSays(name: string, { statement, engine, collection, settings }: Definition): string[] {
  const { kafka_broker_list: brokers = '', kafka_topic_list: topics = '', ...others } = settings;
  return [
    `${name}:`,
    `    brokers    ${JSON.stringify(brokers)}`,
    `    topics     ${JSON.stringify(topics)}`,
    ...(collection === undefined ? [] : [`    collection ${JSON.stringify(collection)}`]),
    `    settings   ${JSON.stringify(others)}`,
    `    engine     ${JSON.stringify(engine)}`,
    `    statement  ${JSON.stringify(statement)}`,
  ];
}

function renew({ comment, database, uuid, databaseEngine }: FoundTable, { secretKeys }: RenewDefinitionsOptions): Renewal {
  const place = takesUuids(databaseEngine) ? placeOfUuid(uuid) : placeOfDatabase(database);
  return renewDefinition(comment, { database, uuid }, place, secretKeys);
}

async function readTables(client: Pick<ServiceClient, 'rows'>, only?: { database: string; name: string }): Promise<FoundTable[]> {
  const one = only === undefined ? '' : `AND t.database = ${quoteString(only.database)} AND t.name = ${quoteString(only.name)} `;
  return client.rows<FoundTable>(
    'SELECT t.database AS database, t.name AS name, toString(t.uuid) AS uuid, t.comment AS comment, d.engine AS databaseEngine ' +
      'FROM system.tables AS t LEFT JOIN system.databases AS d ON d.name = t.database ' +
      `WHERE t.engine = 'Null' AND startsWith(t.comment, ${quoteString(DEFINITION_PREFIX)}) ${one}ORDER BY database, name`,
  );
}

/** Those whose statement the server tells although they are detached; their comments cannot be changed. */
async function readDetached(client: Pick<ServiceClient, 'rows'>): Promise<FoundTable[]> {
  const databases = await client.rows<{ name: string; engine: string }>('SELECT name, engine FROM system.databases ORDER BY name');
  const found: FoundTable[] = [];
  for (const { name: database, engine: databaseEngine } of databases) {
    for (const table of await detachedIn(client, database)) {
      const comment = await commentOf(client, tableNameText(table));
      if (isDefinition(comment)) found.push({ ...table, comment, databaseEngine });
    }
  }
  return found;
}

type DetachedTable = Pick<FoundTable, 'database' | 'name' | 'uuid'>;

async function detachedIn(client: Pick<ServiceClient, 'rows'>, database: string): Promise<DetachedTable[]> {
  try {
    return await client.rows<DetachedTable>(
      `SELECT database, table AS name, toString(uuid) AS uuid FROM system.detached_tables WHERE database = ${quoteString(database)} ORDER BY name`,
    );
  } catch (error) {
    // Some kinds of databases have none and say so by this.
    if (error instanceof ClickHouseException && error.exceptionName === 'NOT_IMPLEMENTED') return [];
    throw error;
  }
}

async function commentOf(client: Pick<ServiceClient, 'rows'>, name: string): Promise<string> {
  try {
    const [row = {}] = await client.rows<Record<string, string>>(`SHOW CREATE TABLE ${name}`);
    const parsed = parseStatement(Object.values(row)[0] ?? '');
    return parsed.ok && parsed.statement.kind === 'create-table' ? (parsed.statement.comment?.value ?? '') : '';
  } catch {
    // A table that was attached or dropped meanwhile, or whose metadata the server cannot read either.
    return '';
  }
}
