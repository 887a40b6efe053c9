import type { ManagedTable, Outbox } from '../catalog/index.ts';
import type { ServiceClient } from '../clickhouse/index.ts';
import { nameBehindOutbox } from '../engine/index.ts';
import { clickhouseError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { OutboxGone, readDetached, readParts, readRefusing, readSigns, statementsForDetached } from './outbox-parts.ts';
import type { OutboxReport } from './outbox-status.ts';
import {
  adoptOutbox,
  asideOf,
  createOutbox,
  dropOutbox,
  exchangeOutboxes,
  isAt,
  misfitOf,
  outboxOf,
  ownerExists,
  ownerOf,
  renameOutbox,
} from './outbox-table.ts';
import { KnownParts } from './known-parts.ts';
import type { RowsSelect } from './messages/index.ts';
import { TableProducer } from './table-producer.ts';
import { checkWritable } from './writable.ts';

/** How often all outboxes are looked at: rows that views wrote are noticed so late. */
const LOOK_MS = 250;
/** How often it is looked at which outboxes refuse INSERTs. */
const REFUSALS_MS = 1_000;
const STOP_GRACE_MS = 2_000;
/** How often it is looked at what was put aside, here or by another gateway. */
const LOOK_ASIDE_MS = 10_000;
/** How often what failed with an outbox is tried again: nothing in the catalog changes when its reason goes. */
const RETRY_MS = 5_000;

export interface ProducersContext {
  readonly client: ServiceClient;
  readonly logger: Logger;
  /** The catalog, as it was read last. */
  readonly catalog: {
    tables(): readonly ManagedTable[];
    find(database: string, table: string): ManagedTable | undefined;
    outboxes(): readonly Outbox[];
    wantedOutboxes(): readonly { readonly database: string; readonly name: string }[];
    refresh(): Promise<void>;
  };
}

interface TableId {
  readonly database: string;
  readonly table: string;
}

/** What an outbox held when an INSERT was about to begin. */
export interface OutboxMark {
  /** UUID of the outbox: it and its table may get other names before the INSERT ends. */
  readonly outbox: string;
  /** The newest block that is known to have been inserted before; undefined: none. */
  readonly block: number | undefined;
}

/** Where an INSERT into a Kafka table goes. */
export interface PreparedOutbox {
  readonly database: string;
  readonly table: string;
  /** What an INSERT without column list fills, in order. */
  readonly columns: readonly string[];
  readonly since?: OutboxMark;
  /** Whether `sendSelected` would have sent what is selected now. */
  readonly takesSelected?: boolean;
}

/** All outboxes of the server and the producers that empty them. Level-triggered: `reconcile` may be called at any time. */
export class Producers {
  readonly #context: ProducersContext;
  readonly #logger: Logger;
  /** By the outbox's UUID. */
  readonly #producers = new Map<string, TableProducer>();
  /** By the outbox's UUID, as long as there is one. */
  readonly #parts = new Map<string, KnownParts>();
  readonly #signs = new Map<string, string>();
  /** Tables that rows can be written to, and how they were when that was looked at. */
  readonly #writable = new Map<string, string>();
  /** Outboxes, by UUID, whose table said that they may go away with it although something was not sent. */
  readonly #mayBeLost = new Set<string>();
  /** What was told about outboxes that nobody empties, by UUID, so that it is told once. */
  readonly #told = new Map<string, string>();
  /** What fails with an outbox, by its UUID or name, as long as it does, so that it is told once. */
  readonly #troubles = new Map<string, string>();
  #aligning: Promise<void> = Promise.resolve();
  #retriedAtMs = 0;
  #refusalsReadAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #lookedAsideAtMs = 0;
  #isClosed = false;

  constructor(context: ProducersContext) {
    this.#context = context;
    this.#logger = context.logger;
  }

  start(): void {
    this.#schedule();
  }

  /** Brings outboxes and producers in line with the catalog. Never rejects. */
  reconcile(): Promise<void> {
    this.#aligning = this.#aligning.then(async () => {
      try {
        if (!this.#isClosed) await this.#align();
      } catch (error) {
        this.#logger.warn({ err: error }, 'outboxes cannot be looked after');
      }
    });
    return this.#aligning;
  }

  /** What waits to be sent for the table; undefined: it has no outbox. */
  report({ database, table }: TableId): OutboxReport | undefined {
    return this.#producerOf(database, table)?.report();
  }

  /**
   * Makes sure that rows can be written to the table, and that there is an outbox for them. Throws the exception that the INSERT, or the CREATE of a view, is to be
   * answered with.
   */
  async prepare(id: TableId): Promise<PreparedOutbox> {
    const table = this.#context.catalog.find(id.database, id.table);
    if (table === undefined) throw clickhouseError('UNKNOWN_TABLE', `Table ${id.database}.${id.table} does not exist`);
    await this.#checkWritable(table);
    const producer = this.#producerOf(id.database, id.table) ?? (await this.#ensure(table));
    if (producer.full !== undefined) throw clickhouseError('LIMIT_EXCEEDED', producer.full);
    const { uuid, database, name } = producer.outbox;
    const columns = table.written.columns.map((column) => column.name);
    const since = { outbox: uuid, block: producer.newestBlock };
    return { database, table: name, columns, since, takesSelected: producer.takesSelected };
  }

  /** As `TableProducer.sendSelected`; `since`: of the INSERT's `PreparedOutbox`. */
  async sendSelected({ outbox }: OutboxMark, select: RowsSelect, gone: AbortSignal): Promise<number | undefined> {
    return this.#producers.get(outbox)?.sendSelected(select, gone);
  }

  /** As `TableProducer.delivered`; at once when the table does not wait. */
  async delivered(id: TableId, signal?: AbortSignal, since?: OutboxMark, queryId?: string): Promise<void> {
    for (;;) {
      const producer = await this.#senderOf(id, since);
      const { waitsForDelivery, deliveryTimeoutMs } = producer.table.options.write;
      try {
        return await (waitsForDelivery ? producer.delivered(deliveryTimeoutMs, signal, { block: since?.block, queryId }) : producer.look());
      } catch (error) {
        // When its table is renamed or changed, another producer takes its place and sends the rows.
        if (this.#isClosed || signal?.aborted === true || this.#producers.get(producer.outbox.uuid) === producer) throw error;
      }
    }
  }

  /** Throws when nobody sends what is in the outbox: it went away with its table. */
  async #senderOf(id: TableId, since: OutboxMark | undefined): Promise<TableProducer> {
    const find = (): TableProducer | undefined =>
      since === undefined ? this.#producerOf(id.database, id.table) : this.#producers.get(since.outbox);
    const producer = find() ?? (await this.reconcile().then(find));
    if (producer !== undefined) return producer;
    throw clickhouseError(
      'ABORTED',
      `The outbox of ${id.database}.${id.table} is not there any more: rows that were in it and not in Kafka are gone with it`,
    );
  }

  /** Before the table goes away, with what was put aside. Throws TABLE_NOT_EMPTY when rows would be lost with it that the user wants to be sent. */
  async beforeDrop(id: TableId): Promise<void> {
    const find = (): TableProducer | undefined => this.#producerOf(id.database, id.table);
    // A table that was renamed a moment ago is not known by its name yet.
    const producer = find() ?? (await this.reconcile().then(find));
    if (producer === undefined) return;
    const { onDrop, deliveryTimeoutMs } = producer.table.options.write;
    if (onDrop === 'drop') return;
    await this.#assertNothingAside(id, producer.outbox);
    try {
      await producer.delivered(deliveryTimeoutMs, undefined, { block: producer.newestBlock });
    } catch (error) {
      const rows = producer.unsentRows;
      if (rows === 0) return;
      const { database, name } = producer.outbox;
      const why = producer.problem === undefined ? '' : ` (${producer.problem})`;
      throw clickhouseError(
        'TABLE_NOT_EMPTY',
        `Table ${id.database}.${id.table} has ${rows} rows in its outbox that Kafka has not acknowledged${why}; they would be lost. ` +
          `Wait until they are sent, or throw them away by TRUNCATE TABLE \`${database}\`.\`${name}\` first`,
        { cause: error },
      );
    }
  }

  async #hasAside(outbox: Outbox): Promise<boolean> {
    return (await readDetached(this.#context.client, outbox)).length > 0;
  }

  async #assertNothingAside({ database, table }: TableId, outbox: Outbox): Promise<void> {
    const detached = await readDetached(this.#context.client, outbox);
    const [first] = detached;
    if (first === undefined) return;
    const { send, drop } = statementsForDetached(outbox, { name: first.part });
    const more = detached.length === 1 ? '' : ` (and so for the ${detached.length - 1} others, see system.detached_parts)`;
    throw clickhouseError(
      'TABLE_NOT_EMPTY',
      `Table ${database}.${table} has rows in its outbox that were put aside, since Kafka or the format did not take them; they would be lost. ` +
        `Send them by ${send}, or throw them away by ${drop}${more}`,
    );
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#aligning;
    await Promise.all([...this.#producers.values()].map((producer) => producer.stop(graceMs)));
    this.#producers.clear();
  }

  #producerOf(database: string, table: string): TableProducer | undefined {
    return [...this.#producers.values()].find((one) => one.table.database === database && one.table.table === table);
  }

  async #ensure(table: ManagedTable): Promise<TableProducer> {
    await createOutbox(this.#context.client, table);
    await this.#context.catalog.refresh();
    await this.reconcile();
    const producer = this.#producerOf(table.database, table.table);
    if (producer !== undefined) return producer;
    const wanted = outboxOf(table);
    const outboxes = this.#context.catalog.outboxes();
    const outbox = outboxes.find(({ owner }) => owner === ownerOf(table)) ?? outboxes.find((one) => isAt(one, wanted));
    const reason = outbox && (this.#troubles.get(outbox.uuid) ?? this.#told.get(outbox.uuid));
    throw clickhouseError(
      'ABORTED',
      `The outbox ${wanted.database}.${wanted.name} cannot be used for ${table.database}.${table.table}${reason === undefined ? '' : `: ${reason}`}`,
    );
  }

  /** Once for a table as it is. */
  async #checkWritable(table: ManagedTable): Promise<void> {
    const key = ownerOf(table);
    const state = JSON.stringify(essence(table));
    if (this.#writable.get(key) === state) return;
    await checkWritable(this.#context.client, table);
    this.#writable.set(key, state);
  }

  #schedule(): void {
    if (this.#isClosed) return;
    const look = async (): Promise<void> => this.#look().then(async () => this.#lookAside());
    this.#timer = setTimeout(() => void look().finally(() => this.#schedule()), LOOK_MS);
  }

  /** Never rejects. */
  async #lookAside(): Promise<void> {
    if (this.#producers.size === 0 || Date.now() - this.#lookedAsideAtMs < LOOK_ASIDE_MS) return;
    const askedAtMs = (this.#lookedAsideAtMs = Date.now());
    try {
      const found = await readDetached(this.#context.client);
      for (const producer of this.#producers.values()) {
        producer.sawDetached(
          found.filter((one) => isAt(one, producer.outbox)),
          askedAtMs,
        );
      }
    } catch (error) {
      this.#logger.debug({ err: error }, 'it cannot be looked at what was put aside');
    }
  }

  /** Wakes the producers of outboxes in which something happened. */
  async #look(): Promise<void> {
    if (this.#troubles.size > 0 && Date.now() - this.#retriedAtMs > RETRY_MS) {
      this.#retriedAtMs = Date.now();
      void this.reconcile();
    }
    if (this.#producers.size === 0) return;
    try {
      const found = new Map((await readSigns(this.#context.client)).map(({ database, name, sign }) => [`${database}.${name}`, sign]));
      const refusing = await this.#readRefusing();
      for (const [uuid, producer] of this.#producers) {
        const { database, name } = producer.outbox;
        const sign = found.get(`${database}.${name}`) ?? '';
        await this.#apart(uuid, async () => {
          if (refusing !== undefined) await producer.heed(refusing.has(uuid));
          if (this.#signs.get(uuid) === sign) return producer.stillTheSame();
          await producer.look();
          this.#signs.set(uuid, sign);
        });
      }
    } catch (error) {
      this.#logger.debug({ err: error }, 'outboxes cannot be looked into');
    }
  }

  /** Outboxes that refuse INSERTs, by UUID: another gateway may have said so. Undefined: it was read a moment ago. */
  async #readRefusing(): Promise<ReadonlySet<string> | undefined> {
    if (Date.now() - this.#refusalsReadAtMs < REFUSALS_MS) return undefined;
    this.#refusalsReadAtMs = Date.now();
    return readRefusing(this.#context.client);
  }

  /** What fails with one outbox is told once, and does not keep others from anything. Never rejects. */
  async #apart(outbox: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#troubles.delete(outbox);
    } catch (error) {
      // The catalog will know it in a moment.
      if (error instanceof OutboxGone) return;
      const reason = error instanceof Error ? error.message : String(error);
      if (this.#troubles.get(outbox) !== reason) this.#logger.warn({ err: error, outbox }, 'an outbox cannot be looked after');
      this.#troubles.set(outbox, reason);
    }
  }

  async #align(): Promise<void> {
    const { catalog } = this.#context;
    const tables = new Map(catalog.tables().map((table) => [ownerOf(table), table]));
    const found = catalog.outboxes();
    const wanted = catalog.wantedOutboxes();
    const known = new Set([...found.map(({ uuid }) => uuid), ...wanted.map(({ database, name }) => `${database}.${name}`)]);
    for (const map of [this.#parts, this.#told, this.#troubles, this.#mayBeLost])
      for (const key of map.keys()) if (!known.has(key)) map.delete(key);
    for (const owner of this.#writable.keys()) if (!tables.has(owner)) this.#writable.delete(owner);
    await this.#stopGone(tables, found);
    for (const { uuid } of found) await this.#apart(uuid, async () => this.#alignOutbox(uuid));
    for (const { database, name } of wanted) {
      if (catalog.outboxes().some((one) => isAt(one, { database, name }))) continue;
      const table = catalog.find(database, nameBehindOutbox(name) ?? '');
      if (table !== undefined) await this.#apart(`${database}.${name}`, async () => createOutbox(this.#context.client, table));
    }
  }

  /** Producers whose outbox is gone, was renamed or belongs to another table now, and those whose table was changed. */
  async #stopGone(tables: ReadonlyMap<string, ManagedTable>, found: readonly Outbox[]): Promise<void> {
    for (const [uuid, producer] of this.#producers) {
      const outbox = found.find((one) => one.uuid === uuid);
      const table = outbox && tables.get(outbox.owner);
      const isSame =
        table !== undefined && JSON.stringify([outbox, essence(table)]) === JSON.stringify([producer.outbox, essence(producer.table)]);
      if (!isSame) await this.#stop(uuid);
    }
  }

  async #stop(uuid: string): Promise<void> {
    const producer = this.#producers.get(uuid);
    this.#producers.delete(uuid);
    this.#signs.delete(uuid);
    await producer?.stop(STOP_GRACE_MS);
  }

  /** The outbox under the name that it has now, and its table; undefined when it is gone. */
  #current(uuid: string): { readonly outbox: Outbox; readonly table: ManagedTable | undefined } | undefined {
    const { catalog } = this.#context;
    const outbox = catalog.outboxes().find((one) => one.uuid === uuid);
    return outbox && { outbox, table: this.#tableOf(outbox) };
  }

  #tableOf({ owner }: Outbox): ManagedTable | undefined {
    return this.#context.catalog.tables().find((table) => ownerOf(table) === owner);
  }

  async #alignOutbox(uuid: string): Promise<void> {
    let current = this.#current(uuid);
    if (current?.table !== undefined && !isAt(current.outbox, outboxOf(current.table))) {
      // Another gateway may have renamed it a moment ago.
      await this.#context.catalog.refresh();
      current = this.#current(uuid);
    }
    if (current === undefined) return;
    const { outbox, table } = current;
    if (table === undefined) await this.#alignOrphan(outbox);
    else await this.#alignOwned(isAt(outbox, outboxOf(table)) ? outbox : await this.#move(outbox, table), table);
  }

  async #alignOwned(outbox: Outbox, table: ManagedTable): Promise<void> {
    if (this.#producers.has(outbox.uuid)) return;
    const producer = new TableProducer(table, outbox, this.#partsOf(outbox), this.#context);
    this.#producers.set(outbox.uuid, producer);
    if (table.options.write.onDrop === 'drop') this.#mayBeLost.add(outbox.uuid);
    else this.#mayBeLost.delete(outbox.uuid);
    producer.start();
    await producer.look();
  }

  #partsOf({ uuid }: Outbox): KnownParts {
    const parts = this.#parts.get(uuid) ?? new KnownParts();
    this.#parts.set(uuid, parts);
    return parts;
  }

  /** The outbox follows its table; what has its name by now makes room. Answers the outbox as it is called now. */
  async #move(outbox: Outbox, table: ManagedTable): Promise<Outbox> {
    const { client, catalog } = this.#context;
    const wanted = outboxOf(table);
    const holder = catalog.outboxes().find((one) => isAt(one, wanted));
    // Two gateways may have made one each for the same table: both are emptied, and views write to the one with the name.
    if (holder?.owner === outbox.owner) return outbox;
    // Nobody goes by a name that is another one's in a moment.
    for (const moved of [outbox, ...(holder === undefined ? [] : [holder])]) await this.#stop(moved.uuid);
    // The holder's table was renamed as well, then the holder goes on from here to its own name; or it has none to go to.
    if (holder !== undefined && this.#tableOf(holder) !== undefined) await exchangeOutboxes(client, outbox, wanted);
    else {
      if (holder !== undefined) await renameOutbox(client, holder, asideOf(holder));
      await renameOutbox(client, outbox, wanted);
    }
    await catalog.refresh();
    const moved = this.#current(outbox.uuid)?.outbox;
    if (moved === undefined || !isAt(moved, wanted)) throw new Error(`the outbox is not called ${wanted.database}.${wanted.name} yet`);
    this.#logger.info({ from: outbox.name, to: wanted.name }, 'the outbox follows its table');
    return moved;
  }

  /**
   * The Kafka table is gone, and the outbox with it unless something in it was not sent that the user wants to be sent. One that was made under its name afterwards takes
   * the rows, or gets an outbox of its own when it cannot.
   */
  async #alignOrphan(outbox: Outbox): Promise<void> {
    const { client, catalog } = this.#context;
    if (await ownerExists(client, outbox)) return;
    if (this.#mayBeLost.has(outbox.uuid)) return dropOutbox(client, outbox);
    const heir = catalog.find(outbox.database, nameBehindOutbox(outbox.name) ?? '');
    const misfit = heir && (await this.#misfitOf(outbox, heir));
    if (heir !== undefined && misfit === undefined) {
      await adoptOutbox(client, outbox, heir);
      return this.#alignOwned({ ...outbox, owner: ownerOf(heir) }, heir);
    }
    const parts = this.#partsOf(outbox);
    await parts.look(async () => readParts(client, outbox));
    const rows = parts.unsent.reduce((sum, part) => sum + part.rows, 0);
    const isEmpty = rows === 0 && !(await this.#hasAside(outbox));
    if (isEmpty) await dropOutbox(client, outbox);
    else this.#tellOrphan(outbox, rows, misfit ?? 'its Kafka table is gone', heir && asideOf(outbox));
    if (heir === undefined) return;
    if (!isEmpty) await renameOutbox(client, outbox, asideOf(outbox));
    await this.#giveOutbox(heir);
  }

  /** Why the rows of an outbox without table cannot become those of `heir`; undefined: they can. */
  async #misfitOf(outbox: Outbox, heir: ManagedTable): Promise<string | undefined> {
    if (this.#context.catalog.outboxes().some(({ owner }) => owner === ownerOf(heir))) return 'the table of its name has another outbox';
    return misfitOf(this.#context.client, outbox, heir);
  }

  /** After its name was another outbox's. */
  async #giveOutbox(table: ManagedTable): Promise<void> {
    const { client, catalog } = this.#context;
    const find = (): Outbox | undefined => catalog.outboxes().find(({ owner }) => owner === ownerOf(table));
    if (find() === undefined) await createOutbox(client, table);
    await catalog.refresh();
    const outbox = find();
    if (outbox !== undefined) await this.#alignOutbox(outbox.uuid);
  }

  #tellOrphan({ uuid, database, name }: Outbox, rows: number, why: string, to: Pick<Outbox, 'name'> | undefined): void {
    const reason = this.#parts.get(uuid)?.isPositionKnown === true ? why : `${why}; they may be in Kafka already`;
    if (this.#told.get(uuid) === reason) return;
    this.#told.set(uuid, reason);
    const renamed = to && { to: `${database}.${to.name}` };
    this.#logger.warn({ outbox: `${database}.${name}`, rows, reason, ...renamed }, 'rows in an outbox that nobody sends');
  }
}

/** What a producer depends on. */
function essence({ uuid, database, table, options, written }: ManagedTable): unknown {
  return [uuid, database, table, options, written];
}
