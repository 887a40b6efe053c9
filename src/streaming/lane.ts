import { Batch, fullReason, untilFlushMs, type ChunkPool, type FlushLimits, type FlushReason } from '../batching/index.ts';
import type { MessageWriter } from '../formats/index.ts';
import type { TopicPartition } from '../kafka/index.ts';
import { within } from './backoff.ts';
import type { InsertPlan, InsertRequest } from './insert-plan.ts';
import { SourceTable } from './sources.ts';

/** A partition's share of a delivery: offsets `first` up to `next` (exclusive). */
export interface PartitionRange extends TopicPartition {
  readonly first: number;
  readonly next: number;
}

/** What is on its way into ClickHouse: nothing is added to it any more. */
export interface Delivery {
  readonly reason: FlushReason;
  /** undefined: offsets without rows; there is nothing to insert. */
  readonly request: InsertRequest | undefined;
  readonly body: readonly Buffer[];
  readonly rows: number;
  readonly messages: number;
  readonly bytes: number;
  readonly ranges: readonly PartitionRange[];
  /** A single message's own INSERT: when the format cannot read it, that very message is broken. */
  readonly isAlone: boolean;
  /** The message that made a row (from 0), as far as the batch can tell. */
  messageOfRow(row: number): (TopicPartition & { readonly offset: number }) | undefined;
  /** Gives the memory back; the body must not be used afterwards. */
  release(): void;
}

/** One consumer's place in a lane: what it writes into, a batch for each bundle. */
export interface Seat {
  readonly batches: Batch[];
  writer: MessageWriter | undefined;
}

/**
 * The partitions of a lane fall into two bundles. Each has at most one INSERT under way, so that a partition's rows arrive in the order of their
 * offsets, and the server has two at a time to keep it busy (measured; see README, benchmark).
 */
const BUNDLES = [0, 1] as const;

/**
 * Where batches of one or several consumers of a table become INSERTs. Several consumers share a lane (few, large parts) unless the table
 * says `kafka_thread_per_consumer = 1`.
 *
 * When a delivery has to be read again (`readAgain`), nothing more is sent until all others under way have ended; then `onRegroup` gets
 * everything that is not in: what was given up, and what had been gathered behind it.
 */
export class Lane {
  readonly #limits: FlushLimits;
  readonly #pool: ChunkPool;
  readonly #deliver: (delivery: Delivery) => Promise<void>;
  readonly #onRegroup: (ranges: readonly PartitionRange[]) => void;
  readonly #seats = new Set<Seat>();
  /** Deliveries under way and the bundles they hold. */
  readonly #underWay = new Map<Promise<void>, readonly number[]>();
  readonly #givenUp: PartitionRange[] = [];
  #plan: InsertPlan;
  #sources = new SourceTable();
  #planChange = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** `deliver` must not reject. */
  constructor(options: {
    limits: FlushLimits;
    pool: ChunkPool;
    plan: InsertPlan;
    deliver: (delivery: Delivery) => Promise<void>;
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

  /** Nothing has been gathered. */
  get isEmpty(): boolean {
    return this.#batches(BUNDLES).every((batch) => batch.coversNothing);
  }

  openSeat(): Seat {
    const seat: Seat = { batches: BUNDLES.map(() => new Batch(this.#pool)), writer: this.#plan.createWriter() };
    this.#seats.add(seat);
    return seat;
  }

  /** Drops what the seat holds: its consumer reads it again, or somebody else does. */
  emptySeat(seat: Seat): void {
    for (const batch of seat.batches.splice(0)) batch.release();
    seat.batches.push(...BUNDLES.map(() => new Batch(this.#pool)));
  }

  closeSeat(seat: Seat): void {
    for (const batch of seat.batches) batch.release();
    this.#seats.delete(seat);
  }

  sourceOf(partition: TopicPartition): number {
    return this.#sources.numberOf(partition);
  }

  /** Which of a seat's batches takes the messages of a source. */
  bundleOf(source: number): number {
    return source % BUNDLES.length;
  }

  /** Why the bundle must be sent before it takes another message, or undefined. */
  full(bundle: number): FlushReason | undefined {
    let rows = 0;
    let bytes = 0;
    for (const seat of this.#seats) {
      const batch = seat.batches[bundle] as Batch;
      rows += batch.rows;
      bytes += batch.bytes;
    }
    return fullReason(this.#limits, rows, bytes);
  }

  /** Resolves when nothing is under way. Deliveries never reject: their outcome is in the positions and the status. */
  async idle(): Promise<void> {
    while (!this.isIdle) await Promise.all(this.#underWay.keys());
  }

  /** Resolves when the bundle may be sent. */
  async free(bundle: number): Promise<void> {
    while (!this.#isFree(bundle)) await Promise.race(this.#underWay.keys());
  }

  /** Sends one bundle. False when it is not free (any more). */
  sealBundle(bundle: number, reason: FlushReason): boolean {
    if (!this.#isFree(bundle)) return false;
    this.#seal([bundle], reason);
    return true;
  }

  /** Sends what has been gathered in all bundles that are free: in one INSERT as far as the limit of rows allows. */
  seal(reason: FlushReason): void {
    const free = BUNDLES.filter((bundle) => this.#isFree(bundle));
    const rows = this.#batches(free).reduce((total, batch) => total + batch.rows, 0);
    if (rows <= this.#limits.maxRows) this.#seal(free, reason);
    else for (const bundle of free) this.#seal([bundle], reason);
  }

  #seal(bundles: readonly number[], reason: FlushReason): void {
    const sealed: Batch[] = [];
    for (const seat of this.#seats) {
      for (const bundle of bundles) {
        const batch = seat.batches[bundle] as Batch;
        if (batch.coversNothing) continue;
        sealed.push(batch);
        seat.batches[bundle] = new Batch(this.#pool);
      }
    }
    if (sealed.length > 0) this.#launch(deliveryOf(reason, sealed, this.#plan, this.#sources), bundles);
  }

  /** Sends a delivery made elsewhere (a message of its own). Call only when nothing of its partition is under way. */
  launch(delivery: Delivery): void {
    this.#launch(delivery, BUNDLES);
  }

  #launch(delivery: Delivery, bundles: readonly number[]): void {
    this.#disarm();
    const underWay = this.#deliver(delivery).then(() => {
      this.#underWay.delete(underWay);
      if (this.isIdle && this.#givenUp.length > 0) this.#onRegroup([...this.#givenUp.splice(0), ...this.discard()]);
      this.arm();
    });
    this.#underWay.set(underWay, bundles);
    this.arm();
  }

  /** These ranges of a delivery under way will not come in: they are handed to `onRegroup` when all others have ended. */
  readAgain(ranges: readonly PartitionRange[]): void {
    this.#givenUp.push(...ranges);
  }

  /** Sees to it that what has been gathered goes out when it is old enough. What is held up by a delivery under way is looked at again after it. */
  arm(): void {
    if (this.#timer !== undefined) return;
    const waiting = this.#batches(BUNDLES.filter((bundle) => this.#isFree(bundle)));
    const began = Math.min(...waiting.map((batch) => batch.beganAtMs ?? Infinity));
    if (began === Infinity) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.seal('interval');
      },
      Math.max(0, untilFlushMs(this.#limits, began, Date.now())),
    );
  }

  /** Forgets what has been gathered and returns what it covered. */
  discard(): PartitionRange[] {
    this.#disarm();
    const ranges = this.#batches(BUNDLES).flatMap((batch) => partitionRanges(batch, this.#sources));
    for (const seat of this.#seats) this.emptySeat(seat);
    return ranges;
  }

  /** Aborted when the plan is about to change: what fails to go in by the old one is read again instead of being tried again. */
  get planSignal(): AbortSignal {
    return this.#planChange.signal;
  }

  /** Sends what has been gathered, and resolves when nothing written by the present plan is under way any more, or after `waitMs`. */
  async finishPlan(waitMs: number): Promise<void> {
    this.#planChange.abort();
    this.seal('barrier');
    await within(waitMs, this.idle());
  }

  /** From now on messages are written by another plan. Call only when empty. */
  usePlan(plan: InsertPlan): void {
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

  #isFree(bundle: number): boolean {
    return this.#givenUp.length === 0 && [...this.#underWay.values()].every((bundles) => !bundles.includes(bundle));
  }

  #batches(bundles: readonly number[]): Batch[] {
    return [...this.#seats].flatMap((seat) => bundles.map((bundle) => seat.batches[bundle] as Batch));
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
  return {
    reason,
    request: rows === 0 ? undefined : plan.batchRequest(sources),
    body: batches.flatMap((batch) => batch.body()),
    rows,
    messages: sum((batch) => batch.messages),
    bytes: sum((batch) => batch.bytes),
    ranges: batches.flatMap((batch) => partitionRanges(batch, sources)),
    isAlone: false,
    messageOfRow(row) {
      let rest = row;
      for (const batch of batches) {
        const message = batch.messageOfRow(rest);
        if (message !== undefined) return { ...sources.partitionOf(message.source), offset: message.offset };
        rest -= batch.rows;
      }
      return undefined;
    },
    release: () => batches.forEach((batch) => batch.release()),
  };
}
