import { tableNameText, type ManagedTable, type Outbox } from '../catalog/index.ts';
import { ClickHouseUnreachable, type ServiceClient } from '../clickhouse/index.ts';
import { checkReach, reachedBy, type KafkaTableOptions } from '../engine/index.ts';
import { ClickHouseException, clickhouseError } from '../errors.ts';
import {
  createTransactionalProducer,
  describeKafkaError,
  explainKafkaError,
  KafkaProduceError,
  type TransactionalProducer,
} from '../kafka/index.ts';
import type { Logger } from '../logger.ts';
import { backoffMs, pause, untilAborted, withDeadline } from '../pauses.ts';
import {
  canReadSelected,
  checkFormat,
  isAboutValue,
  readMessages,
  readSelected as readSelectedRows,
  type MessageSink,
  type RenderedTable,
  type RowsSelect,
} from './messages/index.ts';
import {
  acceptInserts,
  blockOf,
  detachPart,
  dropParts,
  hasRowsOf,
  readDetached,
  readParts,
  refuseInserts,
  statementsForDetached,
  type DetachedPart,
} from './outbox-parts.ts';
import { OutboxRecorder, type OutboxReport } from './outbox-status.ts';
import { fullSentence } from './limits.ts';
import type { KnownParts } from './known-parts.ts';
import { partsForOneTransaction } from './part-choice.ts';
import { committedPosition, readPosition, readSelected, type Part } from './position.ts';
import { kafkaNameOf, maxBatchBytes, producerOptions } from './producer-options.ts';
import { Repeats } from './repeats.ts';
import { SelectedInsert } from './selected-insert.ts';
import { NoSuchPartition, TransactionSink } from './transaction-sink.ts';
import { mayBeOf, Waiters } from './waiters.ts';
import { renderedTable } from './writable.ts';

/**
 * A gateway that was fenced leaves the table to the other one, until nothing has been sent for so long although something waits; twice as long each time that it was
 * fenced again without having sent anything, so that two gateways do not take the table from each other for ever.
 */
const STANDBY_MS = 3_000;
const MOST_STANDBY_MS = 120_000;
const STANDBY_LOOK_MS = 1_000;
/** So long after the last message the connections to Kafka are kept. */
const IDLE_MS = 60_000;
/** Blocks that were put aside, to be told to those who inserted them. */
const KEPT_PARKED = 100;
/** How often parts that were sent are looked at to be dropped. */
const CLEAN_UP_MS = 5_000;

export interface TableProducerContext {
  readonly client: ServiceClient;
  readonly logger: Logger;
}

/**
 * Sends what is in one table's outbox, part after part, in the order of the INSERTs. A part, or several small ones, is one Kafka transaction: its messages become visible together with
 * the position behind it, or not at all. Started once, stopped once.
 *
 *     inserted (a part in the outbox) → sent (messages and position are in Kafka) → kept for a while, so that a repeated INSERT can be compared with them → dropped
 *                                     ↘ parked (detached: Kafka or the format does not take one of its messages)
 */
export class TableProducer {
  readonly #context: TableProducerContext;
  readonly #logger: Logger;
  readonly #outbox: Outbox;
  readonly #recorder = new OutboxRecorder();
  readonly #waiters = new Waiters();
  /** The one that does not go by the outbox, until it is over. */
  #selected: SelectedInsert | undefined;
  /** Of the newest of them whose rows are in Kafka; every commit says it again. */
  #selectedIds: readonly string[] = [];
  readonly #repeats: Repeats;
  readonly #stopping = new AbortController();
  #table: ManagedTable;
  #running: Promise<void> | undefined;
  readonly #parts: KnownParts;
  #cleanedUpAtMs = 0;
  /** What this gateway did last about INSERTs; undefined: nothing. */
  #isRefusing: boolean | undefined;
  /** Another gateway, which knew better, takes INSERTs that this one refused. */
  #isOverruled = false;
  #maxBatchBytes: number;
  /** The same, when a transaction succeeded last. */
  #goodBatchBytes: number;
  /** Each part alone, up to and with this block: one of several could not be sent. */
  #aloneUpTo = -1;
  readonly #parkedBlocks: { readonly block: number; readonly query: string | undefined; readonly error: () => ClickHouseException }[] = [];
  #fencedInARow = 0;
  #isStopping = false;
  #wake: () => void = () => undefined;

  /** `parts`: what is known of the outbox already. */
  constructor(table: ManagedTable, outbox: Outbox, parts: KnownParts, context: TableProducerContext) {
    this.#table = table;
    this.#outbox = outbox;
    this.#context = context;
    this.#parts = parts;
    parts.onChange = () => this.#waiters.stillWaiting(this.#unsent);
    this.#maxBatchBytes = this.#goodBatchBytes = maxBatchBytes(table);
    this.#repeats = new Repeats(context.client, outbox);
    this.#stopping.signal.addEventListener('abort', () => this.#selected?.cut(new Error('the gateway is stopping')));
    this.#logger = context.logger.child({ table: `${table.database}.${table.table}`, outbox: outbox.name });
  }

  get table(): ManagedTable {
    return this.#table;
  }

  get outbox(): Outbox {
    return this.#outbox;
  }

  /** Why the last attempt to send failed, while it does. */
  get problem(): string | undefined {
    return this.#recorder.problem;
  }

  /** Why INSERTs are refused now. */
  get full(): string | undefined {
    return this.#isOverruled ? undefined : this.#recorder.full;
  }

  /** `isRefusing`: INSERTs into the outbox are refused now, whichever gateway did it. */
  async heed(isRefusing: boolean): Promise<void> {
    this.#isOverruled = this.#isRefusing === true && !isRefusing;
    if (this.#isRefusing !== false || !isRefusing) return;
    // By a gateway that knows less of what is sent, perhaps.
    this.#isRefusing = undefined;
    await this.look();
  }

  start(): void {
    this.#running = this.#keepSending();
  }

  /** What is being sent is finished within `graceMs`, or left to the next one; who waits is told. Never rejects. */
  async stop(graceMs: number): Promise<void> {
    const cut = setTimeout(() => this.#stopping.abort(), graceMs);
    if (this.#recorder.state !== 'sending') this.#stopping.abort();
    this.#isStopping = true;
    this.#wake();
    await this.#running;
    clearTimeout(cut);
    this.#stopping.abort();
    this.#waiters.fail(() => this.#queued('ABORTED', 'the gateway is stopping'));
    this.#selected?.stop();
  }

  /** Of all that were ever seen, those that are gone as well. */
  get newestBlock(): number | undefined {
    return this.#parts.newestBlock;
  }

  /** Looks into the outbox now. Throws what the client throws. */
  async look(): Promise<void> {
    await this.#parts.look(async () => readParts(this.#context.client, this.#outbox));
    if (this.#isDone) return;
    await this.#enforceLimits();
    this.#wake();
  }

  /** Nothing came or went since the last look. What waits grows older all the same, and what was sent makes room. */
  async stillTheSame(): Promise<void> {
    if (!this.#isDone && (this.#unsent.length > 0 || this.full !== undefined)) await this.#enforceLimits();
  }

  /** Rows that Kafka has not acknowledged, as of the last look; all that there are while nobody knows what is sent. */
  get unsentRows(): number {
    return this.#unsent.reduce((rows, part) => rows + part.rows, 0);
  }

  /**
   * Resolves when everything that is in the outbox now is in Kafka. Rejects when that takes longer than `timeoutMs` or `signal` is aborted, when a part that came after `block` had to be parked (of the query `queryId`, if that is known),
   * and at once when nothing can be sent before somebody changes something (topic, grants).
   */
  async delivered(
    timeoutMs: number,
    signal?: AbortSignal,
    { block: since, queryId }: { readonly block?: number | undefined; readonly queryId?: string | undefined } = {},
  ): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      throw this.#queued('TIMEOUT_EXCEEDED', `ClickHouse does not tell of them: ${error instanceof Error ? error.message : String(error)}`);
    }
    // It may have been put aside before anybody waited for it.
    this.#assertNotParked(since, queryId);
    const known = new Set(this.#recorder.parked.map(({ part }) => part));
    const late = (): ClickHouseException => this.#queued('TIMEOUT_EXCEEDED', `Kafka has not acknowledged them within ${timeoutMs} ms`);
    await withDeadline(timeoutMs, [signal], async (either) => this.#waiters.wait(this.#unsent, { since, queryId, signal: either, late }));
    await this.#assertNoneAside(known, since, queryId);
  }

  #assertNotParked(since: number | undefined, queryId: string | undefined): void {
    const parked = this.#parkedBlocks.find(({ block, query }) => block > (since ?? -1) && mayBeOf(query, queryId));
    if (parked !== undefined) throw parked.error();
  }

  /**
   * To whoever waits, a part that is gone is sent; but another gateway may have put it aside, and nobody can read from there whose it was: it was not the query's whose
   * rows are there. `known`: parts that were aside before.
   */
  async #assertNoneAside(known: ReadonlySet<string>, since: number | undefined, queryId: string | undefined): Promise<void> {
    const { client } = this.#context;
    const isNew = ({ part }: DetachedPart): boolean => !known.has(part) && blockOf(part) > (since ?? -1);
    const aside = (await readDetached(client, this.#outbox).catch(() => [])).find(isNew);
    this.#assertNotParked(since, queryId);
    if (aside === undefined || this.#parkedBlocks.some(({ block }) => block === blockOf(aside.part))) return;
    if (queryId !== undefined && (await hasRowsOf(client, this.#outbox, queryId).catch(() => true))) return;
    const statements = statementsForDetached(this.#outbox, { name: aside.part });
    throw new ClickHouseException(
      1001,
      'STD_EXCEPTION',
      putAsideText('Another gateway put rows aside, its log tells why', 'The rows', statements),
    );
  }

  /**
   * Sends what is selected without the detour by the outbox, when nothing else is to be sent: behind it, rows go together from the outbox. Answers how many rows are in Kafka;
   * undefined: none is, and the INSERT must take its usual way, whatever the reason. Throws UNKNOWN_STATUS_OF_INSERT when that cannot be found out.
   */
  async sendSelected(select: RowsSelect, gone: AbortSignal): Promise<number | undefined> {
    if (!this.takesSelected) return undefined;
    try {
      await this.look();
    } catch {
      return undefined;
    }
    if (!this.#isFree()) return undefined;
    this.#selected = new SelectedInsert(select, gone);
    this.#wake();
    return this.#selected.outcome;
  }

  /** Whether `sendSelected` would send, as far as is known without looking. */
  get takesSelected(): boolean {
    return this.#options.write.waitsForDelivery && this.#isFree() && canReadSelected(this.#rendered);
  }

  /** Nothing waits, and nothing is known that would keep rows from being sent. */
  #isFree(): boolean {
    return !this.#isDone && this.#recorder.state === 'idle' && this.#selected?.isOver !== false && this.#unsent.length === 0;
  }

  /** `detached`: the outbox's parts that were aside at `askedAtMs`. */
  sawDetached(detached: readonly DetachedPart[], askedAtMs: number): void {
    const reason = 'Put aside before this gateway started, whose log tells why: Kafka or the format does not take one of its messages';
    const parked = detached.map(({ part, detachedAtMs }) => ({
      part,
      rows: null,
      time: new Date(detachedAtMs).toISOString(),
      reason,
      ...statementsForDetached(this.#outbox, { name: part }),
    }));
    this.#recorder.stillAside(parked, askedAtMs);
  }

  report(): OutboxReport {
    const unsent = this.#unsent;
    const { state, messagesSent, transactions, lastSentAtMs, parked, exceptions } = this.#recorder;
    return {
      state,
      table: `${this.#outbox.database}.${this.#outbox.name}`,
      rows: this.unsentRows,
      parts: unsent.length,
      bytes: unsent.reduce((bytes, part) => bytes + part.bytes, 0),
      oldest: timeText(unsent[0]?.insertedAtMs),
      full: this.full ?? null,
      messages_sent: messagesSent,
      transactions,
      last_sent: timeText(lastSentAtMs),
      parked: [...parked],
      exceptions: [...exceptions],
    };
  }

  get #unsent(): readonly Part[] {
    return this.#parts.unsent;
  }

  get #options(): KafkaTableOptions {
    return this.#table.options;
  }

  /** Topic and partition at which the position is committed. */
  get #at(): { readonly topic: string; readonly partition: number; readonly groupId: string } {
    return { topic: this.#options.topics[0] ?? '', partition: 0, groupId: kafkaNameOf(this.#outbox) };
  }

  async #keepSending(): Promise<void> {
    let attempt = 0;
    while (await this.#somethingToSend()) {
      const producer = this.#createProducer();
      const sentBefore = this.#recorder.transactions;
      try {
        if (this.#table.sourceProblem !== undefined) throw new Error(this.#table.sourceProblem);
        await checkReach(reachedBy(this.#options));
        await producer.open();
        const committed = await producer.committed(this.#at);
        this.#parts.takeCommitted(readPosition(committed));
        this.#selectedIds = readSelected(committed);
        this.#selected?.decide(this.#selectedIds);
        // The position may be of a part that was inserted, and sent by another gateway, after the last look.
        await this.look();
        await this.#sendAll(producer);
      } catch (error) {
        if (this.#recorder.transactions > sentBefore) attempt = 0;
        this.#selected?.giveUp();
        if (isFenced(error)) await this.#standBy();
        else await this.#report(error, attempt++);
      } finally {
        await producer.close();
      }
    }
  }

  get #isDone(): boolean {
    return this.#stopping.signal.aborted || this.#isStopping;
  }

  /** Resolves when this producer must not be used any more; what failed is settled then. */
  async #sendAll(producer: TransactionalProducer): Promise<void> {
    let isUsable = true;
    while (isUsable && !this.#isDone) {
      await this.#cleanUp();
      const parts = await this.#withoutRepeats(partsForOneTransaction(this.#unsent, this.#aloneUpTo));
      const insert = this.#selected;
      if (insert?.isOver === false) isUsable = await this.#sendSelected(producer, insert);
      else if (parts.length === 0) {
        this.#recorder.state = 'idle';
        if (Date.now() - (this.#recorder.lastSentAtMs ?? 0) > IDLE_MS) return;
        await this.#changed();
      } else isUsable = await this.#sendOrPark(producer, parts);
    }
  }

  /**
   * The first of `parts`, up to one that an INSERT with a deduplication token has brought a second time: that one is dropped when it is its turn, for then what it
   * repeats is sent. If that was parked instead, it is no repeat.
   */
  async #withoutRepeats(parts: readonly Part[]): Promise<readonly Part[]> {
    if (parts.length === 0) return parts;
    const repeats = await this.#repeats.among(this.#parts.all, parts);
    const firstOther = parts.findIndex((part) => !repeats.includes(part));
    if (firstOther === 0) return untilOneOf(repeats, parts);
    const dropped = firstOther === -1 ? parts : parts.slice(0, firstOther);
    this.#logger.info({ parts: dropped.map(({ name }) => name) }, 'a repeated INSERT is left out');
    await this.#drop(dropped);
    return this.#withoutRepeats(partsForOneTransaction(this.#unsent, this.#aloneUpTo));
  }

  /** False when they were not sent, but something was done about it. Throws when nothing can be done about it. */
  async #sendOrPark(producer: TransactionalProducer, parts: readonly Part[]): Promise<boolean> {
    try {
      await this.#send(producer, parts);
      return true;
    } catch (error) {
      if (!(await this.#isAboutPart(error))) throw error;
      if (error instanceof KafkaProduceError && (error.recordCount ?? 1) > 1) {
        // The topic may take smaller batches than brokers do by default, and each message by itself fit.
        this.#maxBatchBytes = Math.max(1, Math.floor(this.#maxBatchBytes / 4));
        return false;
      }
      this.#maxBatchBytes = this.#goodBatchBytes;
      const [first] = parts;
      if (parts.length === 1 && first !== undefined) await this.#park(first, describeKafkaError(error));
      else this.#aloneUpTo = parts.at(-1)?.block ?? -1;
      return false;
    }
  }

  async #send(producer: TransactionalProducer, parts: readonly Part[]): Promise<void> {
    const last = parts.at(-1) as Part;
    const position = committedPosition(last, this.#selectedIds);
    await this.#inTransaction(producer, position, async (sink) =>
      readMessages(this.#context.client, this.#rendered, parts, sink, this.#stopping.signal),
    );
    this.#goodBatchBytes = this.#maxBatchBytes;
    this.#parts.sentUpTo(last);
  }

  /** False: nothing of it is sent, and the producer must not be used any more. Throws when nobody can send now. */
  async #sendSelected(producer: TransactionalProducer, insert: SelectedInsert): Promise<boolean> {
    const ids = insert.begin(this.#selectedIds);
    try {
      await this.#inTransaction(producer, committedPosition(this.#parts.position, ids), async (sink) => {
        insert.rows = await unlessAborted(readSelectedRows(this.#rendered, insert.select, sink, insert.signal), insert.signal);
      });
      this.#selectedIds = ids;
      insert.sent();
      return true;
    } catch (error) {
      if (isUncertain(error)) insert.uncertain(this.#options.write.deliveryTimeoutMs);
      else insert.notSent();
      this.#recorder.state = 'idle';
      this.#logger.debug({ err: error }, 'selected rows go by the outbox');
      if (error instanceof KafkaProduceError && error.kind !== 'too-large' && error.kind !== 'rejected') throw error;
      return false;
    }
  }

  /** Sends what `write` tells its sink, and commits it together with `position`, or nothing. */
  async #inTransaction(
    producer: TransactionalProducer,
    position: ReturnType<typeof committedPosition>,
    write: (sink: MessageSink) => Promise<void>,
  ): Promise<void> {
    this.#recorder.state = 'sending';
    const { topic } = this.#at;
    const partitions = await producer.partitionCount(topic);
    const transaction = producer.begin();
    const { partitioner } = this.#options.write;
    const sink = new TransactionSink(transaction, { topic, partitions, partitioner, maxBatchBytes: this.#maxBatchBytes });
    try {
      await write(sink);
      await sink.end();
      await transaction.commit({ ...this.#at, ...position });
    } catch (error) {
      await transaction.abort();
      throw error;
    }
    this.#fencedInARow = 0;
    this.#recorder.sent(sink.messages);
  }

  /** The error is one message's fault, not the server's, the broker's or the whole table's. */
  async #isAboutPart(error: unknown): Promise<boolean> {
    if (error instanceof NoSuchPartition) return true;
    if (error instanceof KafkaProduceError) return error.kind === 'too-large' || error.kind === 'rejected';
    if (!(error instanceof ClickHouseException) || !isAboutValue(error)) return false;
    // A schema that is missing, for example, fails without any row.
    await checkFormat(this.#context.client, this.#rendered);
    return true;
  }

  async #park(part: Part, reason: string): Promise<void> {
    await detachPart(this.#context.client, this.#outbox, part);
    const statements = statementsForDetached(this.#outbox, part);
    this.#recorder.park({ part: part.name, rows: part.rows, time: new Date().toISOString(), reason, ...statements });
    const text = putAsideText(reason, `The ${part.rows} rows`, statements);
    this.#logger.error({ part: part.name, rows: part.rows, reason, ...statements }, 'rows cannot be sent, they are put aside');
    this.#recorder.exception(text);
    const putAside = (): ClickHouseException => new ClickHouseException(1001, 'STD_EXCEPTION', text);
    const query = this.#repeats.queryOf(part);
    this.#parkedBlocks.push({ block: part.block, query, error: putAside });
    if (this.#parkedBlocks.length > KEPT_PARKED) this.#parkedBlocks.shift();
    this.#waiters.fail(putAside, part, query);
    // Behind it: to those who wait for it, a part that is gone is sent.
    this.#parts.forget([part]);
  }

  get #rendered(): RenderedTable {
    return { ...renderedTable(this.#table), outbox: this.#outbox };
  }

  #createProducer(): TransactionalProducer {
    return createTransactionalProducer(producerOptions(this.#table, this.#outbox), this.#logger);
  }

  async #cleanUp(): Promise<void> {
    if (Date.now() - this.#cleanedUpAtMs < CLEAN_UP_MS) return;
    this.#cleanedUpAtMs = Date.now();
    const parts = this.#parts.toDrop(Date.now());
    if (parts.length > 0) await this.#drop(parts);
  }

  async #drop(parts: readonly Part[]): Promise<void> {
    await dropParts(this.#context.client, this.#outbox, parts);
    this.#parts.forget(parts);
  }

  /**
   * Refuses INSERTs when too much surely waits, and takes them when it would not be too much even if nothing of it were sent. In between, before Kafka was reached,
   * all stays as it is. Another gateway that has sent what seems to wait here takes the refusal back (`heed`).
   */
  async #enforceLimits(): Promise<void> {
    const isFull = this.#recorder.full !== undefined;
    const full = (unsent: readonly Part[]): string | undefined =>
      fullSentence(this.#table, unsent, this.#options.write, isFull, this.problem);
    const sentence = full(this.#parts.surelyUnsent);
    if (sentence === undefined && full(this.#unsent) !== undefined) return;
    this.#recorder.full = sentence;
    const refuses = sentence !== undefined;
    if (this.#isRefusing === refuses) return;
    if (refuses) await refuseInserts(this.#context.client, this.#outbox, sentence);
    else await acceptInserts(this.#context.client, this.#outbox);
    if (refuses) this.#logger.error({ reason: sentence }, 'INSERTs are refused');
    else if (this.#isRefusing === true) this.#logger.info('INSERTs are accepted again');
    this.#isRefusing = refuses;
  }

  /** False: this is to stop. */
  async #somethingToSend(): Promise<boolean> {
    while (!this.#isDone && this.#unsent.length === 0 && this.#selected?.isOver !== false) {
      await this.#changed();
      await this.#cleanUp().catch((error: unknown) => {
        this.#logger.warn({ err: error }, 'sent rows cannot be dropped from the outbox yet');
      });
    }
    return !this.#isDone;
  }

  /** Until somebody has looked into the outbox, or wants to stop. */
  async #changed(): Promise<void> {
    if (this.#isDone) return;
    const woken = new AbortController();
    this.#wake = () => {
      woken.abort();
    };
    await pause(CLEAN_UP_MS, woken.signal);
  }

  /** Another gateway sends: this one follows what it has sent, and takes over when nothing comes any more. */
  async #standBy(): Promise<void> {
    if (this.#recorder.state !== 'standby') this.#logger.info('another gateway sends the rows of the outbox');
    this.#recorder.state = 'standby';
    const producer = this.#createProducer();
    try {
      const patienceMs = Math.min(MOST_STANDBY_MS, STANDBY_MS * 2 ** this.#fencedInARow) * (1 + Math.random());
      this.#fencedInARow += 1;
      let stalledSinceMs = Date.now();
      while (!this.#isDone && Date.now() - stalledSinceMs < patienceMs) {
        await pause(this.#waiters.isEmpty ? STANDBY_LOOK_MS : STANDBY_LOOK_MS / 10, this.#stopping.signal);
        if (this.#unsent.length === 0) stalledSinceMs = Date.now();
        else {
          const position = readPosition(await producer.committed(this.#at));
          if (position !== undefined && position.uuid !== this.#parts.position?.uuid) {
            stalledSinceMs = Date.now();
            this.#parts.sentUpTo(position);
          }
        }
      }
    } catch (error) {
      this.#recorder.exception(describeKafkaError(error));
    } finally {
      await producer.close();
    }
  }

  async #report(error: unknown, attempt: number): Promise<void> {
    if (this.#isDone) return;
    const isServers = error instanceof ClickHouseException || error instanceof ClickHouseUnreachable;
    const told = isServers ? error.message : explainKafkaError(error);
    const { topic, groupId } = this.#at;
    const where = isServers || told.includes(topic) ? '' : ` (topic ${topic})`;
    const text = told + where + (!isServers && /authorization failed/i.test(told) ? rightsNeeded(topic, groupId) : '');
    const isNew = this.#recorder.exception(text);
    this.#recorder.state = 'retrying';
    if (isNew) this.#logger.error({ err: error, reason: text }, 'rows of the outbox cannot be sent, trying again');
    if (needsAPerson(error)) this.#waiters.fail(() => this.#queued('TIMEOUT_EXCEEDED', 'Kafka does not take them'));
    await pause(backoffMs(attempt, 250, 10_000), this.#stopping.signal);
  }

  #queued(name: 'TIMEOUT_EXCEEDED' | 'ABORTED', why: string): ClickHouseException {
    const reason = this.problem === undefined ? '' : ` (${this.problem})`;
    return clickhouseError(
      name,
      `The rows are in the outbox of ${this.#table.database}.${this.#table.table} and will be sent, but ${why}${reason}. ` +
        `Do not repeat the INSERT, or repeat it with the same insert_deduplication_token: see ${tableNameText(this.#outbox)}`,
    );
  }
}

function untilOneOf(ends: readonly Part[], parts: readonly Part[]): readonly Part[] {
  const end = parts.findIndex((part) => ends.includes(part));
  return end === -1 ? parts : parts.slice(0, end);
}

function putAsideText(reason: string, rows: string, { send, drop }: { readonly send: string; readonly drop: string }): string {
  return (
    `${reason}. ${rows} that were inserted together are put aside, none of them was sent: ` +
    `send them again when the reason is gone by ${send}, or throw them away by ${drop}`
  );
}

function timeText(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

function isUncertain(error: unknown): boolean {
  return error instanceof KafkaProduceError && error.kind === 'unknown-outcome';
}

/** Rejects at once with the signal's reason; what `work` comes to then is no matter. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = untilAborted(signal).then(() => {
    throw signal.reason;
  });
  return Promise.race([work, aborted]);
}

function isFenced(error: unknown): boolean {
  return error instanceof KafkaProduceError && error.kind === 'fenced';
}

/** More than the server's own engine needs, which tells nobody how far it got. */
function rightsNeeded(topic: string, name: string): string {
  return (
    `. To write, the user needs WRITE, READ and DESCRIBE on topic ${topic} (READ because the position in the outbox is committed there), READ on group ${name}, ` +
    `and WRITE and DESCRIBE on transactional id ${name}`
  );
}

/** No patience helps. */
function needsAPerson(error: unknown): boolean {
  if (error instanceof ClickHouseException) return true;
  return error instanceof KafkaProduceError && ['unknown-topic', 'unauthorized', 'unsupported'].includes(error.kind);
}
