import { Batch, bytesLimit, fullReason, untilFlushMs, type ChunkPool, type FlushLimits, type FlushReason } from '../batching/index.ts';
import type { MessageWriter } from '../formats/index.ts';
import type { TopicPartition } from '../kafka/index.ts';
import { within } from '../pauses.ts';
import type { InsertPlan, InsertRequest } from './insert-plan.ts';
import { intentBytes, newIntent, type Intent, type PartitionRange } from './intent.ts';
import { SourceTable } from './sources.ts';

/** What is on its way into ClickHouse: nothing is added to it any more. */
export interface Delivery {
  readonly reason: FlushReason;
  /** undefined: offsets without rows; there is nothing to insert. */
  readonly insert: { readonly request: InsertRequest; readonly intent: Intent } | undefined;
  readonly body: readonly Buffer[];
  readonly rows: number;
  readonly messages: number;
  readonly bytes: number;
  readonly ranges: readonly PartitionRange[];
  /** Gives the memory back; the body must not be used afterwards. */
  release(): void;
}

/** One consumer's place in a lane: what it writes into. */
export interface Seat {
  batch: Batch;
  writer: MessageWriter | undefined;
}

/**
 * Sends one delivery. `before`: whether the delivery sent before it came in; until that is known this one must not be applied, and not at all when it
 * did not. Resolves with whether it came in; never rejects.
 */
export type Deliver = (delivery: Delivery, before: Promise<boolean>) => Promise<boolean>;

/** A partition's range as text: spaces, numbers, signs. */
const RANGE_CHARACTERS = 32;

/** One INSERT that the server applies, and one that it reads meanwhile. More would not be applied sooner. */
const MOST_UNDER_WAY = 2;

/**
 * Where batches of one or several consumers of a table become INSERTs. They are applied one after the other, so a partition's rows arrive in the order
 * of their offsets; but the server reads the next one while it still applies the one before, and the batch after that fills. Several consumers share a lane (few, large parts) unless the table says `kafka_thread_per_consumer = 1`; then each has its own.
 *
 * A delivery that has to be read again (`readAgain`) takes the one behind it along; nothing more is sent until `onRegroup` has got everything that
 * is not in.
 */
export class Lane {
  readonly #limits: FlushLimits;
  readonly #pool: ChunkPool;
  readonly #deliver: Deliver;
  readonly #onRegroup: (ranges: readonly PartitionRange[]) => void;
  readonly #seats = new Set<Seat>();
  readonly #givenUp: PartitionRange[] = [];
  readonly #underWay = new Set<Promise<void>>();
  /** How the delivery sent last turned out. */
  #last: Promise<boolean> = Promise.resolve(true);
  #plan: InsertPlan;
  #sources = new SourceTable();
  #planChange = new AbortController();
  /** So many wait for a moment without deliveries: until then none begins. */
  #wantedIdle = 0;
  /** Those who wait for room. */
  readonly #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;

  /** `onRegroup` gets what deliveries gave up (`readAgain`) together with all that had been gathered behind them: it has to be read again. */
  constructor(options: {
    limits: FlushLimits;
    pool: ChunkPool;
    plan: InsertPlan;
    deliver: Deliver;
    onRegroup: (ranges: readonly PartitionRange[]) => void;
  }) {
    this.#limits = options.limits;
    this.#pool = options.pool;
    this.#plan = options.plan;
    this.#deliver = options.deliver;
    this.#onRegroup = options.onRegroup;
  }

  get plan(): InsertPlan {
    return this.#plan;
  }

  /** Nothing is under way. */
  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  get #hasRoom(): boolean {
    const most = this.#wantedIdle > 0 ? 1 : MOST_UNDER_WAY;
    return this.#underWay.size < most && this.#givenUp.length === 0;
  }

  openSeat(): Seat {
    const seat: Seat = { batch: new Batch(this.#pool), writer: this.#plan.createWriter() };
    this.#seats.add(seat);
    return seat;
  }

  /** Drops what the seat holds: its consumer reads it again, or somebody else does. */
  emptySeat(seat: Seat): void {
    seat.batch.release();
    seat.batch = new Batch(this.#pool);
  }

  closeSeat(seat: Seat): void {
    seat.batch.release();
    this.#seats.delete(seat);
  }

  sourceOf(partition: TopicPartition): number {
    return this.#sources.numberOf(partition);
  }

  /** Why the lane must be flushed before it takes another message, or undefined. */
  full(): FlushReason | undefined {
    let rows = 0;
    for (const seat of this.#seats) rows += seat.batch.rows;
    return fullReason(this.#limits, rows, this.#gatheredBytes(), this.isIdle);
  }

  /** How large the seat's batch may become until the lane is full, while nothing else is done to the lane. */
  quota(seat: Seat): { readonly rows: number; readonly bytes: number } {
    let [rows, bytes] = [this.#limits.maxRows, bytesLimit(this.#limits, this.isIdle)];
    for (const { batch } of this.#seats) {
      if (batch === seat.batch) continue;
      rows -= batch.rows;
      bytes -= batch.bytes;
    }
    return { rows, bytes };
  }

  /** Whether what is gathered may grow by a range of this partition: all ranges of a delivery have to be noted in Kafka, in `mostBytes` of text. */
  takesRangeOf(partition: TopicPartition, mostBytes: number): boolean {
    const ranges = this.#gatheredRanges();
    const isIn = ranges.some((range) => range.topic === partition.topic && range.partition === partition.partition);
    return isIn || ranges.length === 0 || intentBytes(ranges) + partition.topic.length + RANGE_CHARACTERS <= mostBytes;
  }

  #gatheredRanges(): PartitionRange[] {
    return [...this.#seats].flatMap((seat) => partitionRanges(seat.batch, this.#sources));
  }

  /** What has been gathered is worth a part of its own. */
  isWorthAnInsert(): boolean {
    return this.#gatheredBytes() >= this.#limits.eagerBytes;
  }

  #gatheredBytes(): number {
    let bytes = 0;
    for (const seat of this.#seats) bytes += seat.batch.bytes;
    return bytes;
  }

  /**
   * Resolves when nothing is under way, however much waits to be sent: whoever waits for that comes before it. Deliveries never reject: their outcome is in the
   * positions and the status.
   */
  async idle(): Promise<void> {
    if (this.#underWay.size === 0) return;
    this.#wantedIdle += 1;
    await this.ended();
    this.#wantedIdle -= 1;
    setImmediate(() => this.#goOn());
  }

  /** As `idle`, but takes its chance: what waits to be sent may come before. */
  async ended(): Promise<void> {
    while (!this.isIdle) await Promise.all(this.#underWay);
  }

  /** Resolves when another batch may be sealed. */
  async room(): Promise<void> {
    while (!this.#hasRoom) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** Resolves when one of the deliveries under way has ended. Call only when there is one. */
  async oneEnds(): Promise<void> {
    await Promise.race(this.#underWay);
  }

  /** Sends what has been gathered. False when as much as may be is under way: then nothing is sent. */
  seal(reason: FlushReason): boolean {
    if (!this.#hasRoom) return false;
    const sealed: Batch[] = [];
    for (const seat of this.#seats) {
      if (seat.batch.coversNothing) continue;
      sealed.push(seat.batch);
      seat.batch = new Batch(this.#pool);
    }
    if (sealed.length > 0) {
      const delivery = deliveryOf(reason, sealed, this.#plan, this.#sources);
      this.#launch(async (before) => this.#deliver(delivery, before));
    }
    return true;
  }

  /**
   * Runs a delivery made elsewhere (messages read carefully), which resolves with whether it came in and never rejects. False when something is under way:
   * then it is not run.
   */
  launch(deliver: () => Promise<boolean>): boolean {
    if (!this.isIdle) return false;
    if ([...this.#seats].every(({ batch }) => batch.coversNothing)) this.#plan.forgetHead();
    this.#launch(deliver);
    return true;
  }

  #launch(deliver: (before: Promise<boolean>) => Promise<boolean>): void {
    this.#disarm();
    this.#last = deliver(this.#last);
    const underWay = this.#last.then(() => {
      this.#underWay.delete(underWay);
      if (this.isIdle) this.#startOver();
      else this.#wake();
    });
    this.#underWay.add(underWay);
  }

  /** Nothing is under way: what was given up is handed on to be read again, and a delivery to come has nothing to wait for. */
  #startOver(): void {
    this.#last = Promise.resolve(true);
    if (this.#givenUp.length > 0) this.#onRegroup([...this.#givenUp.splice(0), ...this.discard()]);
    this.#goOn();
  }

  /** What has been gathered meanwhile goes out when it is time, and who waits for room looks whether there is some: once nobody wants idleness any more. */
  #goOn(): void {
    if (!this.isIdle || this.#wantedIdle > 0) return;
    const reason = this.full();
    if (reason === undefined) this.arm();
    else this.seal(reason);
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  /** These ranges of a delivery under way will not come in: they are handed to `onRegroup` when nothing is under way any more. */
  readAgain(ranges: readonly PartitionRange[]): void {
    this.#givenUp.push(...ranges);
  }

  /** Sees to it that what has been gathered goes out when it is old enough. What waits for a delivery under way is looked at again after it. */
  arm(): void {
    if (this.#timer !== undefined || !this.isIdle) return;
    const began = Math.min(...[...this.#seats].map((seat) => seat.batch.beganAtMs ?? Infinity));
    if (began === Infinity) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.seal('interval');
      },
      Math.max(0, untilFlushMs(this.#limits, began, performance.now())),
    );
  }

  /** The first offset of the partition that is gathered; undefined: none is. */
  gatheredFrom({ topic, partition }: TopicPartition): number | undefined {
    const firsts = this.#gatheredRanges().flatMap((range) => (range.topic === topic && range.partition === partition ? [range.first] : []));
    return firsts.length === 0 ? undefined : Math.min(...firsts);
  }

  /** Forgets what has been gathered and returns what it covered. */
  discard(): PartitionRange[] {
    this.#disarm();
    const ranges = this.#gatheredRanges();
    for (const seat of this.#seats) this.emptySeat(seat);
    return ranges;
  }

  /** Aborted when the plan is about to change: what fails to go in by the old one is read again instead of being tried again. */
  get planSignal(): AbortSignal {
    return this.#planChange.signal;
  }

  /** Sends what has been gathered, and resolves when nothing written by the present plan is under way any more, or after `waitMs`. */
  async finishPlan(waitMs: number): Promise<void> {
    const deadlineMs = performance.now() + waitMs;
    this.#planChange.abort();
    await within(waitMs, this.idle());
    this.seal('barrier');
    await within(deadlineMs - performance.now(), this.idle());
  }

  /** From now on messages are written by another plan; what is under way by the old one and fails is read again. Call only when nothing is gathered. */
  usePlan(plan: InsertPlan): void {
    this.#planChange.abort();
    this.#plan = plan;
    this.#planChange = new AbortController();
    this.#sources = new SourceTable();
    for (const seat of this.#seats) seat.writer = plan.createWriter();
  }

  /** The next messages are looked at whole, since a row came without a source. */
  scanNext(messages: number): void {
    for (const seat of this.#seats) seat.writer?.scanNext?.(messages);
  }

  /** Drops everything that is not under way. */
  close(): void {
    this.discard();
    for (const seat of [...this.#seats]) this.closeSeat(seat);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function partitionRanges(batch: Batch, sources: SourceTable): PartitionRange[] {
  return batch.ranges.map((range) => ({ ...sources.partitionOf(range.source), first: range.first, next: range.next }));
}

function deliveryOf(reason: FlushReason, batches: readonly Batch[], plan: InsertPlan, sources: SourceTable): Delivery {
  const sum = (figure: (batch: Batch) => number): number => batches.reduce((total, batch) => total + figure(batch), 0);
  const rows = sum((batch) => batch.rows);
  const ranges = batches.flatMap((batch) => partitionRanges(batch, sources));
  return {
    reason,
    insert: rows === 0 ? undefined : { request: plan.batchRequest(sources, batches), intent: newIntent('together', ranges) },
    body: batches.flatMap((batch) => batch.body()),
    rows,
    messages: sum((batch) => batch.messages),
    bytes: sum((batch) => batch.bytes),
    ranges,
    release: () => batches.forEach((batch) => batch.release()),
  };
}
