import { createHash } from 'node:crypto';
import type { ServiceClient } from '../clickhouse/index.ts';
import {
  FILLED_COLUMN_NAMES,
  isAddedColumn,
  readDefinition,
  readPublicDefinition,
  settingsOf,
  tableOptions,
  type Ask,
  type Definition,
  type FoundCollection,
  type SecretKeys,
} from '../engine/index.ts';
import { EMPTY_SECTION, type KafkaSection } from '../librdkafka/index.ts';
import type { Logger } from '../logger.ts';
import { quoteIdentifier } from '../sql/index.ts';
import type { NamedCollections } from './named-collections.ts';
import { createStore, keyOf, type ColumnsByTable, type FoundOutboxes, type ServerColumn, type ServerTable, type TableId } from './store.ts';
import type { Delivery, ManagedTable, Outbox, UnreadableTable, Written } from './types.ts';
import { ViewReader, type ViewState } from './views.ts';

export interface CatalogOptions {
  readonly client: Pick<ServiceClient, 'rows'>;
  readonly secretKeys: SecretKeys;
  /** What holds for every table, and what named collections hold. Absent: nothing. */
  readonly kafka?: KafkaSection;
  readonly collections?: Pick<NamedCollections, 'find'>;
  /** Where files are that tables may name; absent: nowhere. */
  readonly filesFolder?: string | undefined;
  /** Pause between two readings of the server's tables, in milliseconds. */
  readonly intervalMs: number;
  readonly logger: Logger;
}

/** The tables the gateway manages, as the server had them when it was read last. */
export interface Catalog {
  /** Reads once, then again and again until `stop`. Never rejects: a server that is down is read when it is back. */
  start(): Promise<void>;
  stop(): void;
  /** Reads now; the reading begins after the call. Never rejects: when it fails, the last good list stays and `problem` tells why. */
  refresh(): Promise<void>;
  /** Tables that can be streamed, whether they have views or not. */
  tables(): readonly ManagedTable[];
  find(database: string, table: string): ManagedTable | undefined;
  /** All outboxes, those whose table is gone as well. */
  outboxes(): readonly Outbox[];
  /** Tables of which a materialized view writes to the outbox, whether there is one or not: `database` and name of the outbox. */
  wantedOutboxes(): readonly { readonly database: string; readonly name: string }[];
  /** Names, without database, of all tables that carry a definition, also of those that cannot be read. */
  names(): ReadonlySet<string>;
  /** Those that cannot be run, and why. */
  unreadable(): readonly UnreadableTable[];
  /** Called after a reading that changed the list. Returns a function that ends it. */
  onChange(listener: () => void): () => void;
  /** Why the last reading failed; undefined when it did not. */
  problem(): string | undefined;
}

export function createCatalog(options: CatalogOptions): Catalog {
  return new ServerCatalog(options);
}

class ServerCatalog implements Catalog {
  readonly #options: CatalogOptions;
  readonly #store: ReturnType<typeof createStore>;
  readonly #views: ViewReader;
  readonly #ask: Ask;
  readonly #listeners = new Set<() => void>();
  #unreadable: readonly UnreadableTable[] = [];
  #tables: readonly ManagedTable[] = [];
  #names: ReadonlySet<string> = new Set();
  #outboxes: readonly Outbox[] = [];
  #wantedOutboxes: readonly TableId[] = [];
  #problem: string | undefined = 'the catalog has not been read yet';
  #reading: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.#store = createStore(options.client);
    this.#views = new ViewReader(this.#store);
    this.#ask = async (sql) => (await options.client.rows<Record<string, unknown>>(sql)).map((row) => Object.values(row).map(String));
  }

  async start(): Promise<void> {
    this.#isRunning = true;
    await this.refresh();
    this.#schedule();
  }

  stop(): void {
    this.#isRunning = false;
    clearTimeout(this.#timer);
  }

  /** Callers that come while a reading runs share the next one, for the running one may have begun before their change. */
  refresh(): Promise<void> {
    this.#next ??= this.#reading.then(() => {
      this.#next = undefined;
      this.#reading = this.#read();
      return this.#reading;
    });
    return this.#next;
  }

  tables(): readonly ManagedTable[] {
    return this.#tables;
  }

  find(database: string, table: string): ManagedTable | undefined {
    return this.#tables.find((one) => one.database === database && one.table === table);
  }

  names(): ReadonlySet<string> {
    return this.#names;
  }

  outboxes(): readonly Outbox[] {
    return this.#outboxes;
  }

  wantedOutboxes(): readonly TableId[] {
    return this.#wantedOutboxes;
  }

  unreadable(): readonly UnreadableTable[] {
    return this.#unreadable;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  problem(): string | undefined {
    return this.#problem;
  }

  #schedule(): void {
    if (!this.#isRunning) return;
    this.#timer = setTimeout(() => void this.refresh().then(() => this.#schedule()), this.#options.intervalMs);
  }

  async #read(): Promise<void> {
    try {
      const found = await this.#store.readManagedTables();
      const columns = await this.#store.readColumns(found);
      const states = await this.#views.read(found, usersOwn(found, columns));
      const tables = await this.#managedTables(found, columns, states);
      const outboxes = await this.#store.readOutboxes();
      this.#succeeded();
      this.#replace(tables, new Set(found.map(({ name }) => name)), outboxes);
    } catch (error) {
      this.#failed(error);
    }
  }

  #succeeded(): void {
    if (this.#problem !== undefined) this.#options.logger.info('catalog read');
    this.#problem = undefined;
  }

  #failed(error: unknown): void {
    const problem = error instanceof Error ? error.message : String(error);
    if (problem !== this.#problem) this.#options.logger.warn({ err: error }, 'catalog cannot be read, the last list stays');
    this.#problem = problem;
  }

  #replace(tables: readonly ManagedTable[], names: ReadonlySet<string>, { outboxes, targets }: FoundOutboxes): void {
    const before = this.#state();
    this.#tables = tables;
    this.#names = names;
    this.#outboxes = outboxes;
    this.#wantedOutboxes = targets;
    if (before !== this.#state()) for (const listener of this.#listeners) listener();
  }

  #state(): string {
    return JSON.stringify([this.#tables.map(({ fingerprint }) => fingerprint), this.#outboxes, this.#wantedOutboxes]);
  }

  async #managedTables(
    found: readonly ServerTable[],
    columns: ColumnsByTable,
    states: ReadonlyMap<string, ViewState>,
  ): Promise<ManagedTable[]> {
    const unreadable: UnreadableTable[] = [];
    const tables: ManagedTable[] = [];
    const collections = (await this.#options.collections?.find(collectionsOf(found))) ?? new Map<string, FoundCollection>();
    for (const table of found) {
      const own = columns.get(keyOf(table)) ?? [];
      const managed = await this.#managedTable(table, own, states.get(keyOf(table)), collections);
      if (typeof managed === 'string') unreadable.push({ database: table.database, table: table.name, reason: managed });
      else tables.push(managed);
    }
    this.#tellUnreadable(unreadable);
    return tables;
  }

  /** The table, or why its definition cannot be read. */
  async #managedTable(
    table: ServerTable,
    columns: readonly ServerColumn[],
    state: ViewState | undefined,
    collections: ReadonlyMap<string, FoundCollection>,
  ): Promise<ManagedTable | string> {
    const read = readDefinition(table.comment, table, this.#options.secretKeys);
    if (!read.ok) return read.reason;
    const { database, name, uuid } = table;
    const { settings, kafka, problem } = this.#resolve(read.definition, collections);
    try {
      const options = await tableOptions(settings, { database, table: name, uuid }, this.#ask, {
        kafka,
        filesFolder: this.#options.filesFolder,
      });
      const resolved = { database, table: name, uuid, options, ...(problem !== undefined && { sourceProblem: problem }) };
      return describeTable(resolved, read.definition, columns, state);
    } catch (error) {
      if (isAnswer(error)) return error.message;
      throw error;
    }
  }

  /** A table's settings with what its collection holds now; without it when that is not known. */
  #resolve(definition: Definition, collections: ReadonlyMap<string, FoundCollection>): Resolved {
    const { kafka = EMPTY_SECTION } = this.#options;
    const { settings, collection: name } = definition;
    if (name === undefined) return { settings, kafka };
    const found = collections.get(name);
    if (found?.ok !== true) return { settings, kafka, problem: problemOf(name, found?.reason) };
    try {
      return { settings: settingsOf(definition, found.collection), kafka: found.collection.kafka ?? kafka };
    } catch (error) {
      if (isAnswer(error)) return { settings, kafka, problem: problemOf(name, error.message) };
      throw error;
    }
  }

  /** Each reason once. */
  #tellUnreadable(unreadable: readonly UnreadableTable[]): void {
    for (const { database, table, reason } of unreadable) {
      const isTold = this.#unreadable.some((one) => one.database === database && one.table === table && one.reason === reason);
      if (!isTold) this.#options.logger.error({ table: `${database}.${table}`, reason }, 'table cannot be streamed');
    }
    this.#unreadable = unreadable;
  }
}

interface Resolved {
  readonly settings: Readonly<Record<string, string>>;
  readonly kafka: KafkaSection;
  readonly problem?: string;
}

function problemOf(collection: string, reason = 'there is none of that name, or the service account may not see it'): string {
  return `The named collection \`${collection}\` cannot be used: ${reason}`;
}

/** The collections that the definitions name. */
function collectionsOf(tables: readonly ServerTable[]): string[] {
  const names = tables.flatMap(({ comment }) => readPublicDefinition(comment)?.collection ?? []);
  return [...new Set(names)];
}

/** The server's judgement on one table (an unknown macro), as against a server that does not answer. */
function isAnswer(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ClickHouseException';
}

/** The columns that the users of these tables declared. */
function usersOwn(tables: readonly ServerTable[], columns: ColumnsByTable): ColumnsByTable {
  return new Map(
    tables.map((table) => {
      const definition = readPublicDefinition(table.comment);
      const all = columns.get(keyOf(table)) ?? [];
      return [keyOf(table), definition === undefined ? all : all.filter((column) => !isAddedColumn(definition, column))];
    }),
  );
}

/** Columns that neither an INSERT without column list nor `SELECT *` knows. */
const ASIDE: ReadonlySet<string> = new Set(['MATERIALIZED', 'EPHEMERAL', 'ALIAS']);

function writtenOf(columns: readonly ServerColumn[]): Written {
  return {
    declarations: columns.map(declarationOf),
    names: columns.map(({ name }) => name),
    columns: columns.filter(({ defaultKind }) => !ASIDE.has(defaultKind)).map(({ name, type }) => ({ name, type })),
  };
}

function declarationOf({ name, type, defaultKind, defaultExpression }: ServerColumn): string {
  return `${quoteIdentifier(name)} ${type} ${defaultKind} ${defaultExpression}`.trim();
}

const INSERTABLE: ReadonlySet<string> = new Set(['', 'DEFAULT', 'EPHEMERAL']);

function structureOf(columns: readonly ServerColumn[]): string {
  return columns
    .filter(({ defaultKind }) => defaultKind !== 'ALIAS')
    .map(declarationOf)
    .join(', ');
}

/** What `kafka_require_fsync` asks for and is not so. */
function notDurable(state: ViewState | undefined): string | undefined {
  const told = (state?.withoutFsync ?? []).map(
    ({ table, reason, statement }) => `${table}: ${reason}${statement === undefined ? '' : ` (${statement})`}`,
  );
  return told.length === 0 ? undefined : `kafka_require_fsync: ${told.join('; ')}`;
}

const NOTHING_BEHIND: Delivery = { guarantee: 'exactly once', prevents: [], targets: [] };

function describeTable(
  table: Pick<ManagedTable, 'database' | 'table' | 'uuid' | 'options' | 'sourceProblem'>,
  definition: Definition,
  columns: readonly ServerColumn[],
  state: ViewState | undefined,
): ManagedTable {
  const addedNames = new Set(columns.filter((column) => isAddedColumn(definition, column)).map(({ name }) => name));
  // Only what a message fills: the table's own name stands in its declaration.
  const virtualColumns = FILLED_COLUMN_NAMES.filter((name) => addedNames.has(name));
  const notReady = table.sourceProblem ?? state?.notReady ?? (table.options.requireFsync ? notDurable(state) : undefined);
  const described = {
    ...table,
    ...(definition.collection !== undefined && { collection: definition.collection }),
    columns: columns
      .filter(({ name, defaultKind }) => INSERTABLE.has(defaultKind) && !addedNames.has(name))
      .map(({ name, type }) => ({ name, type })),
    ...(definition.carrierPrefix !== undefined && { carriers: { prefix: definition.carrierPrefix, structure: structureOf(columns) } }),
    written: writtenOf(columns.filter(({ name }) => !addedNames.has(name))),
    virtualColumns,
    usedVirtualColumns: virtualColumns.filter((name) => state?.usedVirtualColumns.has(name)),
    views: state?.views ?? [],
    dependents: state?.dependents ?? [],
    ...(notReady !== undefined && { notReady }),
    delivery: state?.delivery ?? NOTHING_BEHIND,
  };
  const fingerprint = createHash('sha256').update(JSON.stringify(described)).digest('hex');
  return { ...described, fingerprint };
}
