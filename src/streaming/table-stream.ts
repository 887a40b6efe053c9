import type { ChunkPool, MemoryBudget } from '../batching/index.ts';
import type { ManagedTable } from '../catalog/index.ts';
import { checkReach, reachedBy } from '../engine/index.ts';
import { messageOf } from '../formats/index.ts';
import {
  createGroupConsumer,
  explainKafkaError,
  missingTopics,
  readRanges,
  type ConsumerHandlers,
  type ConsumerOptions,
  type TopicPartition,
} from '../kafka/index.ts';
import type { Logger } from '../logger.ts';
import { backoffMs, pause, untilAborted, withAnyOf, within } from '../pauses.ts';
import { errorText, explainFailure } from './broken-message.ts';
import { Company } from './company.ts';
import { consumerOptions } from './consumer-options.ts';
import { flushLimits } from './flush-limits.ts';
import { payloadOf } from './message-rows.ts';
import { Ingest, type SendInsert } from './ingest.ts';
import { InsertPlan } from './insert-plan.ts';
import { newIntent, withToken } from './intent.ts';
import { Lane } from './lane.ts';
import { lettersToTopic } from './letters-to-topic.ts';
import type { Member } from './members.ts';
import type { ServerDefaults } from './server-defaults.ts';
import { StatusRecorder, type TableStatus } from './table-status.ts';
import { TableTopics } from './table-topics.ts';

/** What all streams of the process share. */
export interface StreamContext {
  /** Tells this gateway's consumers from those of another one. */
  readonly ownerId: string;
  readonly send: SendInsert;
  readonly budget: MemoryBudget;
  readonly pool: ChunkPool;
  readonly maxBatchBytes: number;
  /** Name of the table for dead letters, as SQL. */
  readonly deadLetterTable: string;
  readonly ensureDeadLetterTable: () => Promise<unknown>;
  /** Throws when no materialized view reads the table. */
  readonly assertStillRead: (table: ManagedTable) => Promise<void>;
  /** The server's own defaults for what a table does not say; asked once for each stream. */
  readonly serverDefaults: () => Promise<ServerDefaults>;
  readonly logger: Logger;
}

/** A message as a dead letter keeps it: without headers and timestamp. */
export interface DeadLetter extends TopicPartition {
  readonly offset: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** How long a change of the plan waits for the INSERTs that were under way before it. */
export const VIEW_CHANGE_WAIT_MS = 30_000;

/**
 * How long, after the grace, a stream that stops waits for INSERTs that the server is applying: their rows will be in whatever we do, and where a target
 * remembers none they would come again.
 */
const APPLY_GRACE_MS = 8_000;
/** How long the INSERTs under way may take when a topic was made anew. */
const RENEW_GRACE_MS = 2_000;
/** A consumer that lived so long is built anew at once when it dies. */
const RESET_ATTEMPTS_MS = 60_000;

/** What messages go through, and what is noted of their offsets: made anew when those offsets are another topic's. */
interface Pipeline {
  readonly ingest: Ingest;
  readonly lanes: readonly Lane[];
  readonly recoveryLane: Lane;
}

/** One Kafka table at work: its consumers, kept alive, and the ingest they feed. Started once, stopped once. */
export class TableStream {
  readonly #context: StreamContext;
  readonly #logger: Logger;
  readonly #status = new StatusRecorder();
  readonly #topics: TableTopics;
  /** Aborted when the consumers are to be built anew: other topics are there than before. */
  #round = new AbortController();
  #renewal: Promise<void> | undefined;
  /** Consumers that run now; each resolves when it is gone. */
  readonly #consumers = new Set<Promise<void>>();
  #pipeline: Pipeline;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #company = new Company(() => void this.useTable(this.#table, VIEW_CHANGE_WAIT_MS));
  readonly #decided: Promise<void>;
  #decide: () => void = () => undefined;
  readonly #defaults: ServerDefaults;
  #table: ManagedTable;

  constructor(table: ManagedTable, defaults: ServerDefaults, context: StreamContext) {
    this.#table = table;
    this.#context = context;
    this.#defaults = defaults;
    this.#decided = new Promise((resolve) => {
      this.#decide = resolve;
    });
    this.#logger = context.logger.child({ table: `${table.database}.${table.table}`, group: table.options.groupName });
    const { topics, groupName } = table.options;
    this.#topics = new TableTopics({
      client: this.#consumerOptions(0),
      topics,
      onMissing: (missing) => this.#report(missingTopics(missing, ` (group ${groupName})`)),
      onMadeAnew: (madeAnew) => this.#beginAnew(madeAnew),
      onChanged: () => this.#newRound(),
      logger: this.#logger,
    });
    this.#pipeline = this.#open();
  }

  #open(): Pipeline {
    const [table, defaults, context] = [this.#table, this.#defaults, this.#context];
    const limits = flushLimits(table.options, defaults, context.maxBatchBytes);
    const { pool } = context;
    const recoveryLane = new Lane({ limits, pool, plan: this.#plan(), deliver: () => Promise.resolve(false), onRegroup: () => undefined });
    const ingest = new Ingest({
      ...context,
      deduplication: defaults.deduplication,
      recoveryLane,
      readRanges: async (ranges, missingTopics, signal) =>
        readRanges(this.#consumerOptions(0), ranges, missingTopics, signal, this.#logger),
      table: () => this.#table,
      status: this.#status,
      logger: this.#logger,
      sendLetters: async (...letters) => lettersToTopic(this.#consumerOptions(0), ...letters, this.#logger),
    });
    const count = table.options.threadPerConsumer ? table.options.numConsumers : 1;
    const lanes = Array.from({ length: count }, () => {
      const lane: Lane = new Lane({
        limits,
        pool,
        plan: this.#plan(),
        deliver: (delivery, before) => ingest.deliver(lane, delivery, before),
        onRegroup: (ranges) => ingest.seekBack(lane, ranges),
      });
      return lane;
    });
    return { ingest, lanes, recoveryLane };
  }

  get #ingest(): Ingest {
    return this.#pipeline.ingest;
  }

  get #lanes(): readonly Lane[] {
    return this.#pipeline.lanes;
  }

  get #recoveryLane(): Lane {
    return this.#pipeline.recoveryLane;
  }

  get table(): ManagedTable {
    return this.#table;
  }

  status(): TableStatus {
    return this.#status.snapshot();
  }

  start(): void {
    this.#logger.info({ topics: this.#table.options.topics, consumers: this.#table.options.numConsumers }, 'streaming started');
    for (let i = 0; i < this.#table.options.numConsumers; i++) this.#running.push(this.#keepConsuming(i));
    this.#running.push(this.#topics.keepLooking(this.#stopping.signal));
  }

  /**
   * Leaves the group. What is under way is finished and committed within `graceMs`; what was gathered goes along when `flush` is
   * set; the rest is left to whoever reads the topic next. An INSERT that the server is applying may take longer (`APPLY_GRACE_MS`), unless `flush` is set. Never rejects.
   */
  async stop(options: { graceMs: number; flush: boolean }): Promise<void> {
    await within(options.graceMs, options.flush ? this.#ingest.drain() : this.#ingest.finish());
    if (!options.flush) await within(APPLY_GRACE_MS, this.#ingest.applied());
    this.#ingest.abort();
    this.#stopping.abort();
    this.#topics.close();
    this.#company.close();
    this.#decide();
    await Promise.all(this.#running);
    for (const lane of this.#lanes) lane.close();
    this.#status.state = 'stopped';
    this.#logger.info('streaming stopped');
  }

  /**
   * From the next batch on, rows carry the virtual columns that `table` says are used. Resolves when no row without them is under way any more, so that
   * a view made afterwards never sees one; gives up after `waitMs`, when the server takes longer than that over one INSERT.
   */
  async useTable(table: ManagedTable, waitMs: number): Promise<void> {
    this.#table = table;
    await Promise.all(
      [...this.#lanes, this.#recoveryLane].map(async (lane) => {
        await lane.finishPlan(waitMs);
        this.#ingest.replan(lane, this.#plan());
      }),
    );
  }

  /** As `Ingest.holdInserts`. */
  async holdInserts(waitMs: number): Promise<() => void> {
    return this.#ingest.holdInserts(waitMs);
  }

  /** Resolves when the group has let a first consumer in, or failed to, or after `waitMs`: every other member of the group knows of us by then. */
  async joined(waitMs: number): Promise<void> {
    await within(waitMs, this.#decided);
  }

  /** Inserts messages that could not be read once, each by itself; answers for each why it still cannot be read, or undefined. Other troubles are thrown. */
  async replay(letters: readonly DeadLetter[]): Promise<(string | undefined)[]> {
    const errors: (string | undefined)[] = [];
    for (const { topic, partition, offset, key, value } of letters) {
      const message = messageOf({ offset, key, value }, this.#table.options.skipBytes);
      const request = this.#plan().messageRequest(topic, partition, message);
      try {
        const once = withToken(request, this.#defaults.deduplication, { intent: newIntent('alone', []) });
        await this.#context.send(once, [payloadOf(message)], Promise.resolve(), this.#stopping.signal);
        errors.push(undefined);
      } catch (error) {
        if (explainFailure(error).kind === 'other') throw error;
        errors.push(errorText(error));
      }
    }
    return errors;
  }

  #plan(): InsertPlan {
    return new InsertPlan(this.#company.isKept ? { ...this.#table, usedVirtualColumns: this.#table.virtualColumns } : this.#table);
  }

  /** Runs one consumer until the stream stops; a consumer that dies is built anew after a pause. */
  async #keepConsuming(index: number): Promise<void> {
    for (let attempt = 0; !this.#stopping.signal.aborted; attempt++) {
      const startedAtMs = Date.now();
      const { signal } = this.#round;
      try {
        await this.#consume(index);
      } catch (error) {
        this.#report(error);
      }
      if (Date.now() - startedAtMs > RESET_ATTEMPTS_MS) attempt = 0;
      await pause(backoffMs(attempt), this.#stopping.signal, signal);
    }
  }

  /** One consumer's life: resolves when the stream stops or other topics are there, throws when it could not start or died. */
  async #consume(index: number): Promise<void> {
    // The server's own engine makes such a table, too: it can be written to.
    if (this.#table.options.groupName === '')
      throw new Error('Local: Unknown group: kafka_group_name is empty, and a table that is read needs one');
    await checkReach(reachedBy(this.#table.options));
    const topics = await this.#topics.look();
    while (this.#renewal !== undefined) await this.#renewal;
    if (topics.length === 0) return;
    const consumer = this.#runConsumer(index, topics);
    const gone = consumer.catch(() => undefined).then(() => this.#consumers.delete(gone)) as unknown as Promise<void>;
    this.#consumers.add(gone);
    await consumer;
  }

  async #runConsumer(index: number, topics: readonly string[]): Promise<void> {
    const { signal } = this.#round;
    const { ingest, lanes } = this.#pipeline;
    const lane = lanes[index % lanes.length] as Lane;
    let die: (reason: Error) => void = () => undefined;
    const crashed = new Promise<never>((_resolve, reject) => {
      die = reject;
    });
    crashed.catch(() => undefined);
    const handlers: ConsumerHandlers = {
      onAssigned: (partitions, isSoleOwner) => this.#assigned(member, partitions, isSoleOwner),
      onCommitted: (committed) => ingest.committed(member, committed),
      onUnreadable: (partition, offset, error) => {
        ingest.unreadable(member, partition, offset, error);
      },
      onFetched: (fetched, control) => ingest.fetched(member, fetched, control),
      onOffsetReset: (partition, from, to) => this.#offsetsReset(partition, from, to),
      onCrash: die,
    };
    const consumer = createGroupConsumer({ ...this.#consumerOptions(index), topics }, handlers, this.#logger);
    const member: Member = { consumer, lane, seat: lane.openSeat() };
    ingest.addMember(member);
    try {
      await withAnyOf([this.#stopping.signal, signal], async (either) => {
        const ended = untilAborted(either);
        await Promise.race([consumer.start(), crashed, ended]);
        await Promise.race([crashed, ended]);
      });
    } finally {
      await consumer.stop();
      ingest.removeMember(member);
    }
  }

  #newRound(): void {
    this.#round.abort();
    this.#round = new AbortController();
  }

  /** The offsets of these topics are others' now: what is noted of them must not be used for the new ones, nor what is under way be committed. */
  #beginAnew(topics: readonly string[]): void {
    const text =
      `Topic ${topics.join(', ')} was deleted and made anew: the new one is read from its beginning, ` +
      'what had not been inserted of the old one is gone with it';
    this.#status.exception(text);
    this.#logger.error({ topics }, text);
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
  }

  async #renew(): Promise<void> {
    const { ingest, lanes, recoveryLane } = this.#pipeline;
    await within(RENEW_GRACE_MS, ingest.finish());
    ingest.abort();
    this.#round.abort();
    await Promise.all(this.#consumers);
    for (const lane of [...lanes, recoveryLane]) lane.close();
    this.#pipeline = this.#open();
    this.#round = new AbortController();
  }

  #assigned(member: Member, partitions: readonly TopicPartition[], isAlone: boolean): void {
    this.#decide();
    // What is under way by the old plan was sent before anybody else could make a view: they had to wait for this assignment.
    if (this.#company.note(isAlone)) for (const lane of [...this.#lanes, this.#recoveryLane]) this.#ingest.replan(lane, this.#plan());
    const isQuiet = this.#lanes.every((lane) => lane.isIdle) && this.#recoveryLane.isIdle && !this.#ingest.isHolding;
    if (this.#status.state === 'starting' || (this.#status.state === 'retrying' && isQuiet)) this.#status.state = 'streaming';
    this.#ingest.assigned(member);
  }

  #offsetsReset(partition: TopicPartition, from: bigint, to: bigint): void {
    const where = `Offset out of range: ${partition.topic}[${partition.partition}]: `;
    const text =
      from < to
        ? `${where}messages from ${from} to ${to - 1n} (${to - from} offsets) are gone, deleted before they were read; reading goes on at ${to}`
        : `${where}nothing is at ${from}, behind the end: the log was cut off; reading begins at its earliest offset, ${to}`;
    this.#status.exception(text);
    this.#logger.error({ ...partition, offset: String(from), restart: String(to) }, text);
    this.#ingest.offsetsReset(partition, Number(from), Number(to));
  }

  #report(error: unknown): void {
    this.#decide();
    if (this.#stopping.signal.aborted) return;
    const text = explainKafkaError(error);
    this.#status.state = 'retrying';
    if (this.#status.exception(text)) this.#logger.error({ err: error, reason: text }, 'consumer failed');
  }

  #consumerOptions(index: number): ConsumerOptions {
    return consumerOptions(this.#table, this.#defaults, this.#context.ownerId, index);
  }
}
