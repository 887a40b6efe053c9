import type { ChunkPool } from '../batching/index.ts';
import type { ManagedTable } from '../catalog/index.ts';
import type { RecordCursor } from '../formats/index.ts';
import type { FetchControl, FetchedPartition, TopicPartition } from '../kafka/index.ts';
import type { Logger } from '../logger.ts';
import { backoffMs, pause, withAnyOf } from '../pauses.ts';
import { errorText, explainFailure } from './broken-message.ts';
import { stepsForBroken, type BrokenMessageTargets } from './broken-messages.ts';
import { CarefulRanges } from './careful-ranges.ts';
import { HeldPartitions } from './held-partitions.ts';
import { newIntent, partOf, type Intent, type Manner, type PartitionRange } from './intent.ts';
import { payloadOf } from './message-rows.ts';
import type { InsertPlan, InsertRequest } from './insert-plan.ts';
import type { Lane } from './lane.ts';
import { IntentRefused, type OffsetJournal } from './offset-journal.ts';
import type { Positions } from './positions.ts';
import { readSegment, segmentBelow, type Segment } from './segment.ts';
import { Sorter, type Sorted } from './sorter.ts';
import type { StatusRecorder } from './table-status.ts';
import { tombstoneRows } from './tombstone-rows.ts';
import { waitFor } from './waiting.ts';

/** What careful reading needs of the stream it belongs to. */
export interface CarefulReadingOptions extends BrokenMessageTargets {
  readonly table: () => ManagedTable;
  readonly pool: ChunkPool;
  readonly positions: Positions;
  readonly journal: OffsetJournal;
  readonly status: StatusRecorder;
  readonly logger: Logger;
  /** Aborted when the stream gives up. */
  readonly stopping: AbortSignal;
  /** The rest of an intent, of which some may be in, is to be delivered by what is true now. */
  readonly handOver: (lane: Lane, intent: Intent) => void;
  /** Some partition of the table is held, here or elsewhere. */
  readonly isHolding: () => boolean;
}

/** How far a fetch was read. `isVoid`: what is left of it must be dropped; the partition is fetched again from `position`. */
export interface CarefullyRead {
  readonly position: number;
  readonly isVoid: boolean;
}

/** `unrepeatable`: the same messages do not make the same INSERTs any more. */
export type Repeated = 'inserted' | 'unrepeatable' | 'again';

/** Sends something of a segment, under a token of its own; resolves with the rows it held. */
export type Step = (intent: Intent) => Promise<number>;

/** `unread`: the format could not read something. `given-up`: the stream ends, or rows are to be written in another way. */
interface Outcome {
  readonly kind: 'inserted' | 'unread' | 'given-up';
  readonly error?: unknown;
}

const GIVEN_UP: Outcome = { kind: 'given-up' };

/** After a message that cannot go with the others so many more are read carefully. */
const LOOK_AHEAD_MESSAGES = 16;

/**
 * The slow way of messages, for ranges in which a batch failed or a message cannot go with others, and for formats whose messages never can:
 *
 * segment of messages → all in one INSERT → if the format cannot read one: sorted by letting the server read them (`Sorter`) → the good ones
 * inserted, the broken ones put where `kafka_handle_error_mode` wants them → offsets committed.
 *
 * In the `default` mode a broken message holds its partition: everything before it is inserted, and it is tried again after a pause.
 */
export class CarefulReading {
  readonly #options: CarefulReadingOptions;
  readonly #ranges = new CarefulRanges();
  /** At broken messages. */
  readonly held = new HeldPartitions();

  constructor(options: CarefulReadingOptions) {
    this.#options = options;
  }

  /** The first offset from `position` on that has to be read carefully; Infinity when there is none. */
  beginsAt(partition: TopicPartition, position: number): number {
    const range = this.#ranges.from(partition, position);
    return range === undefined ? Infinity : Math.max(position, range.first);
  }

  /** A batch failed that holds these offsets. */
  add(partition: TopicPartition, first: number, next: number): void {
    this.#ranges.add(partition, { first, next, manner: 'checked' });
  }

  /** The message at `offset`, which is in no careful range, cannot go with others. */
  addOne(partition: TopicPartition, offset: number, plan: InsertPlan): void {
    this.add(partition, offset, Math.min(offset + (plan.isSpliced ? LOOK_AHEAD_MESSAGES : 1), this.beginsAt(partition, offset)));
  }

  /** The partition's offsets begin anew. */
  reset(partition: TopicPartition): void {
    this.#ranges.reset(partition);
    this.held.release(partition);
  }

  /** Reads a segment from `position` on, where a careful range is, behind everything gathered in the lane. A rebalance is thrown. */
  async read(lane: Lane, fetched: FetchedPartition, position: number, control: FetchControl): Promise<CarefullyRead> {
    while (!lane.seal('barrier')) if (!(await waitFor(lane.room(), control))) return { position, isVoid: true };
    if (!(await waitFor(lane.idle(), control))) return { position, isVoid: true };
    const range = this.#ranges.from(fetched, position);
    if (range === undefined || range.first > position) return { position, isVoid: false };
    const { plan } = lane;
    const manner = plan.isSpliced ? range.manner : 'alone';
    const end = Math.min(range.next, this.#options.positions.nextInterval(fetched, position)?.first ?? Infinity);
    const mostMessages = manner === 'alone' || this.held.has(fetched) ? 1 : undefined;
    const segment = readSegment(fetched.batches, this.#options.table().options, position, end, mostMessages);
    if (segment.next === position) return { position, isVoid: false };
    const where: Place = { lane, plan, partition: { topic: fetched.topic, partition: fetched.partition }, control };
    return (await this.#insertAll(where, segment, manner)) ?? (await this.#insertSorted(where, segment));
  }

  /** Delivers a careful intent again, of one partition, by `lane`, which does nothing else; `read`: what Kafka still has of it. */
  async repeat(lane: Lane, intent: Intent, read: readonly FetchedPartition[]): Promise<Repeated> {
    const { stopping } = this.#options;
    const [{ topic, partition, first, next }] = intent.ranges as [PartitionRange];
    const { plan } = lane;
    const batches = read.flatMap((fetched) => fetched.batches);
    const segment = { ...readSegment(batches, this.#options.table().options, first, next), next };
    const control = { heartbeat: async () => Promise.resolve(), isStale: () => false, isRunning: () => !stopping.aborted };
    const where: Place = { lane, plan, partition: { topic, partition }, control, intent };
    const manner = plan.isSpliced ? intent.manner : 'alone';
    const { position, isVoid } = (await this.#insertAll(where, segment, manner)) ?? (await this.#insertSorted(where, segment));
    if (position >= next) return 'inserted';
    return isVoid ? 'again' : 'unrepeatable';
  }

  /** What it resolves with, or undefined when the fetch has become void meanwhile; then the checks end. A rebalance is thrown. */
  async #checked<T>(where: Place, check: (sorter: Sorter) => Promise<T>): Promise<{ readonly value: T } | undefined> {
    const cut = new AbortController();
    return withAnyOf([cut.signal, this.#options.stopping, where.lane.planSignal], async (signal) => {
      try {
        const checking = check(this.#sorter(where, signal));
        return (await waitFor(checking, where.control)) ? { value: await checking } : undefined;
      } catch (error) {
        if (!signal.aborted) throw error;
        return undefined;
      } finally {
        cut.abort();
      }
    });
  }

  /** Inserts the segment in one go. Undefined: some of it cannot be read, or has to go alone. */
  async #insertAll(where: Place, segment: Segment, manner: Manner): Promise<CarefullyRead | undefined> {
    const { plan, partition } = where;
    if (manner === 'checked') {
      // Before anything is inserted it must be sure that all can be: two INSERTs are not one.
      if (segment.tombstones.length > 0 && segment.messages.length > 0) {
        const areGood = await this.#checked(where, async (sorter) => sorter.canReadTombstones(segment.tombstones));
        if (areGood === undefined) return { position: segment.first, isVoid: true };
        if (!areGood.value) return undefined;
      }
      const together = this.#sorter(where).splice(segment.messages);
      if (together === undefined) return undefined;
      const { request, batch } = together;
      const steps = [
        ...(batch.rows === 0 ? [] : [this.#together(request, batch.body(), segment.messages)]),
        ...this.#tombstones(where, segment.tombstones),
      ];
      const { kind } = await this.#deliver(where, segment, manner, steps, () => batch.release());
      return kind === 'unread' ? undefined : this.#end(where, segment, kind, segment.tombstones.length > 0 ? 'mixed' : 'clean');
    }
    const steps = [
      ...segment.messages.map((message) => this.#alone(plan, partition, message)),
      ...this.#tombstones(where, segment.tombstones),
    ];
    const { kind, error } = await this.#deliver(where, segment, manner, steps);
    if (kind !== 'unread') return this.#end(where, segment, kind, 'clean');
    // There is one message, and its own INSERT says what is wrong with it.
    const broken = [...segment.messages, ...segment.tombstones].map((message) => ({ message, error: errorText(error) }));
    return this.#deliverSorted(where, segment, manner, { together: [], tombstones: [], alone: [], broken });
  }

  async #insertSorted(where: Place, segment: Segment): Promise<CarefullyRead> {
    const sorted = await this.#checked(where, async (sorter) => sorter.sort(segment));
    return sorted === undefined ? { position: segment.first, isVoid: true } : this.#deliverSorted(where, segment, 'checked', sorted.value);
  }

  /** Inserts what is good and does what the table wants about the broken messages; where it wants to stop, it stops at the first. */
  async #deliverSorted(where: Place, segment: Segment, manner: Manner, sorted: Sorted): Promise<CarefullyRead> {
    const { plan, partition } = where;
    const { broken } = sorted;
    const forBroken = stepsForBroken(this.#options, this.#options.table(), partition, broken, segment.next);
    const [first] = broken;
    const part = forBroken === undefined && first !== undefined ? segmentBelow(segment, first.message.offset) : segment;
    // Nothing broken was in it when it was recorded.
    if (part !== segment && where.intent !== undefined) return { position: segment.first, isVoid: false };
    const isIn = ({ offset }: RecordCursor): boolean => offset < part.next;
    const good = sorted.together.filter(isIn);
    const together = good.length === 0 ? undefined : this.#sorter(where).splice(good);
    if (good.length > 0 && together === undefined) return this.#eachAlone(where, part);
    const steps = [
      ...(together === undefined ? [] : [this.#together(together.request, together.batch.body(), good)]),
      ...sorted.alone.filter(isIn).map((message) => this.#alone(plan, partition, message)),
      ...this.#tombstones(where, sorted.tombstones.filter(isIn)),
      ...(forBroken ?? []),
    ];
    if (part.next > part.first || steps.length > 0) {
      const { kind } = await this.#deliver(where, part, manner, steps, () => together?.batch.release());
      if (kind === 'given-up') return { position: part.first, isVoid: true };
      if (kind === 'unread') return this.#eachAlone(where, part);
    }
    if (part !== segment && first !== undefined) return this.#hold(where, part.next, first.error);
    return this.#end(where, segment, 'inserted', 'mixed');
  }

  /** The checks did not tell all: each message's own INSERT will. */
  #eachAlone({ partition }: Place, { first, next }: Segment): CarefullyRead {
    this.#ranges.add(partition, { first, next, manner: 'alone' });
    return { position: first, isVoid: false };
  }

  /** Runs the steps as one delivery of the lane; `release` is called when it has ended, or was not begun, whoever waits for it. */
  async #deliver(
    where: Place,
    { first, next }: Segment,
    manner: Manner,
    steps: readonly Step[],
    release: () => void = () => undefined,
  ): Promise<Outcome> {
    const { lane, plan, partition, control } = where;
    const range = { ...partition, first, next };
    let outcome = GIVEN_UP;
    let isAwaited = true;
    const job = async (): Promise<boolean> => {
      const intent = where.intent ?? newIntent(manner, [range]);
      // A view may have been made meanwhile that wants other columns.
      if (lane.plan === plan) outcome = await this.#runSealed(where, intent, steps);
      // Whoever reads the segment goes on with it; when he has left, the next reader may have passed over what was under way.
      if (outcome.kind === 'unread' && !(isAwaited && isCurrent(control))) lane.readAgain([range]);
      release();
      this.#options.journal.flushSoon();
      return outcome.kind !== 'given-up';
    };
    let isLaunched = false;
    try {
      while (!isLaunched) {
        isLaunched = lane.launch(job);
        if (!(await waitFor(isLaunched ? lane.ended() : lane.idle(), control))) return GIVEN_UP;
      }
      return outcome;
    } finally {
      isAwaited = false;
      if (!isLaunched) release();
    }
  }

  async #runSealed(where: Place, intent: Intent, steps: readonly Step[]): Promise<Outcome> {
    const { lane } = where;
    const { planSignal } = lane;
    const { positions, stopping, handOver } = this.#options;
    // Whoever repeats an intent has noted it himself.
    if (where.intent !== undefined) return this.#run(where, intent, steps, planSignal);
    const [range] = intent.ranges as [PartitionRange];
    positions.sealed(range, lane, intent);
    const outcome = await this.#run(where, intent, steps, planSignal);
    if (outcome.kind === 'inserted') positions.inserted(range, intent);
    else if (outcome.kind === 'given-up' && outcome.error === undefined && !stopping.aborted && planSignal.aborted) handOver(lane, intent);
    else {
      positions.abandoned(range, lane, intent);
      if (outcome.kind === 'given-up' && !stopping.aborted) lane.readAgain([range]);
    }
    return outcome;
  }

  /** `planSignal` ends what fails only: a change of plan waits for steps that go well, since those before them would be in twice where a target drops no repeats. */
  async #run(where: Place, intent: Intent, steps: readonly Step[], planSignal: AbortSignal): Promise<Outcome> {
    try {
      return await withAnyOf([this.#options.stopping, planSignal], async (signal) => this.#runSteps(where, intent, steps, signal));
    } catch (error) {
      if (error instanceof IntentRefused) return { kind: 'given-up', error };
      return explainFailure(error).kind === 'other' ? GIVEN_UP : { kind: 'unread', error };
    }
  }

  /** `signal`: the plan's, or the end of all. */
  async #runSteps({ lane, plan }: Place, intent: Intent, steps: readonly Step[], signal: AbortSignal): Promise<Outcome> {
    const { stopping, status, journal } = this.#options;
    await journal.record(intent, stopping);
    for (const step of steps) {
      if (lane.plan !== plan) return GIVEN_UP;
      const settled = this.#untilSettled(
        async () => {
          await journal.record(intent, stopping);
          return step(intent);
        },
        signal,
        stopping,
      );
      status.rowsInserted += await settled;
      status.inserts += 1;
    }
    return { kind: 'inserted' };
  }

  /**
   * Repeats a step as long as the messages are not to blame for its failure. Throws what blames them, and the signal's reason once it is aborted;
   * `first`: in its place before the first attempt.
   */
  async #untilSettled(step: () => Promise<number>, signal: AbortSignal, first = signal): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      (attempt === 0 ? first : signal).throwIfAborted();
      try {
        return await step();
      } catch (error) {
        if (error instanceof IntentRefused || explainFailure(error).kind !== 'other') throw error;
        this.#report(error);
        await pause(backoffMs(attempt), signal);
      }
    }
  }

  #together(request: InsertRequest, body: readonly Buffer[], messages: readonly RecordCursor[]): Step {
    const part = partOf('together', messages.map(offsetOf));
    return async (intent) => this.#options.send(request, body, { intent, part });
  }

  #alone(plan: InsertPlan, { topic, partition }: TopicPartition, message: RecordCursor): Step {
    const part = partOf('alone', [message.offset]);
    return async (intent) => this.#options.send(plan.messageRequest(topic, partition, message), [payloadOf(message)], { intent, part });
  }

  #tombstones({ partition }: Place, tombstones: readonly RecordCursor[]): Step[] {
    if (tombstones.length === 0) return [];
    const { request, body } = tombstoneRows(this.#options.table(), partition, tombstones);
    const part = partOf('tombstones', tombstones.map(offsetOf));
    return [async (intent) => this.#options.send(request, body, { intent, part })];
  }

  /** `signal` ends its checks. */
  #sorter({ plan, partition }: Place, signal = this.#options.stopping): Sorter {
    const send = async (request: InsertRequest, body: readonly Buffer[]): Promise<number> =>
      this.#untilSettled(async () => this.#options.send(request, body), signal);
    return new Sorter({ plan, table: this.#options.table(), pool: this.#options.pool, partition, send });
  }

  /** `mixed`: some messages did not go with the others, so those behind them are read carefully as well. */
  #end({ partition }: Place, segment: Segment, kind: Outcome['kind'], how: 'clean' | 'mixed'): CarefullyRead {
    if (kind === 'given-up') return { position: segment.first, isVoid: true };
    const { next } = segment;
    const messages = segment.messages.length + segment.tombstones.length;
    this.#options.status.messagesRead += messages;
    this.held.release(partition);
    this.#options.status.state = this.#options.isHolding() ? 'retrying' : 'streaming';
    this.#ranges.passed(partition, next);
    if (how === 'mixed' && messages > 1) this.add(partition, next, Math.min(next + 2 * messages, this.beginsAt(partition, next)));
    return { position: next, isVoid: false };
  }

  /** The partition stays at the broken message at `offset` and is tried again later. */
  #hold({ partition, lane }: Place, offset: number, error: string): CarefullyRead {
    const { status, logger } = this.#options;
    this.#ranges.passed(partition, offset);
    this.addOne(partition, offset, lane.plan);
    this.held.hold(partition, offset);
    status.state = 'retrying';
    const text = `${error.trimEnd()} while parsing Kafka message (topic: ${partition.topic}, partition: ${partition.partition}, offset: ${offset})`;
    const isNew = status.exception(text);
    if (isNew) logger.error({ ...partition, offset, reason: text }, 'partition is held at a broken message');
    return { position: offset, isVoid: true };
  }

  #report(error: unknown): void {
    const { status, logger } = this.#options;
    const text = error instanceof Error ? error.message : String(error);
    status.state = 'retrying';
    if (status.exception(text)) logger.error({ err: error }, 'insert failed');
  }
}

/** Where a segment's messages come from and go to. */
interface Place {
  readonly lane: Lane;
  /** The lane's plan when reading began. */
  readonly plan: InsertPlan;
  readonly partition: TopicPartition;
  readonly control: FetchControl;
  /** It is repeated, and is all that is delivered. Undefined: intents are made as needed. */
  readonly intent?: Intent;
}

function isCurrent(control: FetchControl): boolean {
  return control.isRunning() && !control.isStale();
}

function offsetOf({ offset }: RecordCursor): number {
  return offset;
}
