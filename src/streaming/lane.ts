import { Batch, fullReason, untilFlushMs, type ChunkPool, type FlushLimits, type FlushReason } from '../batching/index.ts';
import type { MessageWriter } from '../formats/index.ts';
import type { TopicPartition } from '../kafka/index.ts';
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

/** One consumer's place in a lane: what it writes into. */
export interface Seat {
  batch: Batch;
  writer: MessageWriter | undefined;
}

/** INSERTs of one lane that may be under way: two keep the server busy while a third batch fills (measured; see README, benchmark). */
const MAX_UNDER_WAY = 2;

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
  readonly #underWay = new Set<Promise<void>>();
  readonly #givenUp: PartitionRange[] = [];
  #plan: InsertPlan;
  #sources = new SourceTable();
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

  /** No delivery may be launched now. */
  get isBusy(): boolean {
    return this.#underWay.size >= MAX_UNDER_WAY || this.#givenUp.length > 0;
  }

  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  get isEmpty(): boolean {
    return [...this.#seats].every((seat) => seat.batch.coversNothing);
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
    let bytes = 0;
    for (const seat of this.#seats) {
      rows += seat.batch.rows;
      bytes += seat.batch.bytes;
    }
    return fullReason(this.#limits, rows, bytes);
  }

  /** Resolves when nothing is under way. Deliveries never reject: their outcome is in the positions and the status. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Resolves when a delivery may be launched. */
  async free(): Promise<void> {
    while (this.isBusy) await Promise.race(this.#underWay);
  }

  /** Sends what has been gathered. Call only when not busy; does nothing when there is nothing. */
  seal(reason: FlushReason): void {
    const batches: Batch[] = [];
    for (const seat of this.#seats) {
      if (seat.batch.coversNothing) continue;
      batches.push(seat.batch);
      seat.batch = new Batch(this.#pool);
    }
    if (batches.length > 0) this.launch(deliveryOf(reason, batches, this.#plan, this.#sources));
  }

  /** Sends a delivery made elsewhere (a message of its own). Call only when not busy. */
  launch(delivery: Delivery): void {
    this.#disarm();
    const underWay = this.#deliver(delivery).then(() => {
      this.#underWay.delete(underWay);
      if (this.isIdle && this.#givenUp.length > 0) this.#onRegroup([...this.#givenUp.splice(0), ...this.discard()]);
      this.arm();
    });
    this.#underWay.add(underWay);
    this.arm();
  }

  /** These ranges of a delivery under way will not come in: they are handed to `onRegroup` when all others have ended. */
  readAgain(ranges: readonly PartitionRange[]): void {
    this.#givenUp.push(...ranges);
  }

  /** Sees to it that what has been gathered goes out when it is old enough. */
  arm(): void {
    if (this.#timer !== undefined || this.isBusy) return;
    const began = Math.min(...[...this.#seats].map((seat) => seat.batch.beganAtMs ?? Infinity));
    if (began === Infinity) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        if (!this.isBusy) this.seal('interval');
      },
      Math.max(0, untilFlushMs(this.#limits, began, Date.now())),
    );
  }

  /** Forgets what has been gathered and returns what it covered. */
  discard(): PartitionRange[] {
    this.#disarm();
    const ranges: PartitionRange[] = [];
    for (const seat of this.#seats) {
      ranges.push(...partitionRanges(seat.batch, this.#sources));
      this.emptySeat(seat);
    }
    return ranges;
  }

  /** From now on messages are written by another plan. Call only when empty. */
  usePlan(plan: InsertPlan): void {
    this.#plan = plan;
    this.#sources = new SourceTable();
    for (const seat of this.#seats) {
      this.emptySeat(seat);
      seat.writer = plan.createWriter();
    }
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
