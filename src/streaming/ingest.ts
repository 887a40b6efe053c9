import { setImmediate } from 'node:timers/promises';
import type { MemoryBudget } from '../batching/index.ts';
import type { ManagedTable } from '../catalog/index.ts';
import type { KafkaTableOptions } from '../engine/index.ts';
import { canCarry, RecordCursor, UNPROVABLE } from '../formats/index.ts';
import type { CommittedOffset, FetchControl, FetchedPartition, TopicPartition } from '../kafka/index.ts';
import type { Logger } from '../logger.ts';
import { backoffMs, pause, untilAborted, within } from '../pauses.ts';
import { explainFailure } from './broken-message.ts';
import { CarefulReading, type CarefulReadingOptions } from './careful-reading.ts';
import { HeldPartitions } from './held-partitions.ts';
import { withToken, type Intent, type PartitionRange, type PartOfIntent } from './intent.ts';
import type { InsertPlan, InsertRequest } from './insert-plan.ts';
import type { Delivery, Lane } from './lane.ts';
import { Members, type Member } from './members.ts';
import { OffsetJournal } from './offset-journal.ts';
import { Positions, type Carrier } from './positions.ts';
import { Recovery, type RecoveryOptions } from './recovery.ts';
import { partitionKey } from './sources.ts';
import type { StatusRecorder } from './table-status.ts';
import { Turn } from './turn.ts';
import { waitFor } from './waiting.ts';

/**
 * Sends one INSERT; resolves when the server has answered success for every dependent view. The server reads the body at once, but it is not told of
 * its end, and applies nothing, before `mayEnd` resolves; when `mayEnd` rejects nothing is applied, and the call throws. Answers the rows that the
 * body held.
 */
export type SendInsert = (request: InsertRequest, body: readonly Buffer[], mayEnd: Promise<void>, signal: AbortSignal) => Promise<number>;

export interface IngestOptions extends Pick<
  CarefulReadingOptions,
  'table' | 'pool' | 'status' | 'logger' | 'deadLetterTable' | 'ensureDeadLetterTable' | 'sendLetters'
> {
  readonly send: SendInsert;
  readonly assertStillRead: (table: ManagedTable) => Promise<void>;
  readonly budget: MemoryBudget;
  /** What makes the server heed tokens, whatever the account's profile says. */
  readonly deduplication: Readonly<Record<string, string>>;
  readonly readRanges: RecoveryOptions['readRanges'];
  /** For intents that were begun by somebody else. */
  readonly recoveryLane: Lane;
}

/**
 * A message's way from Kafka into ClickHouse, top-down:
 * fetched → appended to a batch → batch full or old → noted in Kafka as an intent → INSERT → the server answered for every view → offsets committed.
 *
 * Nothing is committed that ClickHouse has not acknowledged, each partition's offsets are committed in order, and nothing is applied that Kafka does not know of:
 * whoever comes after us repeats it under the same token (`Positions` has the states).
 */
export class Ingest {
  readonly #send: SendInsert;
  /** For tables whose INSERTs have no place to ask; all others ask while they insert. */
  readonly #assertStillRead: (() => Promise<void>) | undefined;
  readonly #budget: MemoryBudget;
  readonly #status: StatusRecorder;
  readonly #logger: Logger;
  readonly #members = new Members();
  readonly #positions = new Positions();
  readonly #stopping = new AbortController();
  readonly #deduplication: Readonly<Record<string, string>>;
  readonly #journal: OffsetJournal;
  readonly #careful: CarefulReading;
  /** At record batches that cannot be read. */
  readonly #unreadable = new HeldPartitions();
  readonly #recovery: Recovery;
  readonly #options: Pick<KafkaTableOptions, 'skipBytes' | 'tombstones'>;
  /** No INSERT begins before it resolves. */
  #gate: Promise<void> | undefined;
  readonly #sending = new Set<Promise<unknown>>();
  /** Those of them that the server has whole. */
  readonly #applying = new Set<Promise<unknown>>();
  /** A stray row was met, and every message has been scanned since: another one cannot be sorted out that way. */
  #isScanning = false;
  #isDraining = false;

  constructor(options: IngestOptions) {
    this.#send = options.send;
    this.#assertStillRead = options.table().carriers && (async () => options.assertStillRead(options.table()));
    this.#budget = options.budget;
    this.#status = options.status;
    this.#logger = options.logger;
    this.#options = options.table().options;
    this.#deduplication = options.deduplication;
    const shared = { ...options, positions: this.#positions, stopping: this.#stopping.signal };
    this.#journal = new OffsetJournal({ ...shared, consumers: () => this.#members.consumers });
    this.#careful = new CarefulReading({
      ...shared,
      journal: this.#journal,
      send: async (request, body, as) => this.#sendPart(request, body, as),
      handOver: (lane, intent) => this.#handOver(lane, intent),
      isHolding: () => this.isHolding,
    });
    this.#recovery = new Recovery({
      ...shared,
      journal: this.#journal,
      careful: this.#careful,
      lane: options.recoveryLane,
      options: this.#options,
      send: async (request, body, intent) => this.#sendPart(request, body, { intent }),
      onGivenUp: (ranges) => {
        for (const lane of this.#members.lanes) this.seekBack(lane, [...ranges, ...lane.discard()]);
      },
    });
  }

  /** Some partition is held, at a broken message or an unreadable record batch. */
  get isHolding(): boolean {
    return !this.#careful.held.isEmpty || !this.#unreadable.isEmpty;
  }

  addMember(member: Member): void {
    this.#members.add(member);
  }

  removeMember(member: Member): void {
    this.#members.remove(member);
  }

  /** A generation began for this member: what it, and those of an earlier generation, had read and not sealed comes again. */
  assigned(member: Member): void {
    this.#members.emptySeats(member);
    for (const held of [this.#careful.held, this.#unreadable]) held.keep((partition) => this.#members.own(partition));
  }

  /** What Kafka has for partitions of the generation, before any of them is fetched: what is inserted can be committed now, what was left unfinished is finished. */
  committed(member: Member, committed: readonly CommittedOffset[]): void {
    this.#recovery.found(this.#journal.heard(member.consumer, committed));
    void this.#journal.flush();
  }

  /** Kafka does not have `from`: offsets up to `to` are gone, or, when it lies before, the log was cut off and its offsets come again. */
  offsetsReset(partition: TopicPartition, from: number, to: number): void {
    if (from < to) {
      const gathered = [...this.#members.lanes].flatMap((lane) => lane.gatheredFrom(partition) ?? []);
      this.#positions.begun(partition, Math.min(from, ...gathered));
      this.#positions.gone(partition, from, to);
      return;
    }
    // What was gathered of it stands in the way of what comes under the same offsets now.
    const isOther = (range: PartitionRange): boolean => partitionKey(range) !== partitionKey(partition);
    for (const lane of this.#members.lanes) this.seekBack(lane, lane.discard().filter(isOther));
    this.#positions.reset(partition);
    this.#journal.reset(partition);
    this.#careful.reset(partition);
    this.#unreadable.release(partition);
  }

  /** Takes one fetch. Resolves with the position to go on from. */
  async fetched(member: Member, fetched: FetchedPartition, ofConsumer: FetchControl): Promise<number> {
    if (this.#members.isOutrun(member)) return this.#askForMembership(fetched, ofConsumer);
    const control = { ...ofConsumer, isStale: () => ofConsumer.isStale() || this.#members.isOutrun(member) };
    if (this.#isHeld(member, fetched) || !(await this.#mayBegin(member, fetched, control))) return fetched.fromOffset;
    this.#unreadable.passed(fetched, fetched.nextOffset);
    const cursor = new RecordCursor(this.#options.skipBytes);
    let position = this.#positions.resumeAt(fetched, fetched.fromOffset);
    for (const batch of fetched.batches) {
      if (batch.lastOffset < position) continue;
      if (this.#isDraining) return position;
      if (!this.#budget.hasRoom() && !(await this.#makeRoom(member.lane, control))) return position;
      cursor.open(batch);
      for (;;) {
        if (control.isStale()) return position;
        // What is behind a range that has just come in may have been in before it.
        position = this.#positions.resumeAt(fetched, position);
        if (batch.lastOffset < position) break;
        const outcome = this.#append(member, fetched, cursor, position, batch.lastOffset + 1);
        if (outcome === 'end') break;
        if (outcome === 'known') {
          position = this.#positions.resumeAt(fetched, cursor.offset);
          continue;
        }
        if (outcome === 'careful') {
          const read = await this.#careful.read(member.lane, fetched, this.#careful.beginsAt(fetched, position), control);
          position = read.position;
          if (read.isVoid || this.#isToEnd()) return position;
          if (position > batch.lastOffset) break;
          cursor.open(batch);
          continue;
        }
        if (!(await this.#flushFull(member.lane, control))) return cursor.offset + 1;
        position = cursor.offset + 1;
      }
      position = Math.max(position, batch.lastOffset + 1);
    }
    this.#coverTo(member, fetched, position);
    return Math.max(position, fetched.nextOffset);
  }

  /** The partition stays at a record batch that cannot be read, damaged or too large, and is tried again later; the others go on. */
  unreadable(member: Member, partition: TopicPartition, offset: number, error: Error): void {
    this.#unreadable.hold(partition, offset);
    this.#isHeld(member, partition);
    this.#status.state = 'retrying';
    if (this.#status.exception(error.message)) this.#logger.error({ err: error }, 'partition is held at a record batch');
  }

  /** As `finish`, and sends what has been gathered. */
  async drain(): Promise<void> {
    await this.finish();
    if (!this.#isAborted() && !this.isHeld) for (const lane of this.#members.lanes) lane.seal('drain');
    await this.finish();
  }

  /** Takes nothing more. Resolves when what is under way is in and committed; while INSERTs are held back, when what is in is committed. */
  async finish(): Promise<void> {
    this.#isDraining = true;
    if (!this.isHeld) await Promise.all([...this.#members.lanes, this.#recovery].map(async (carrier) => carrier.idle()));
    await this.#journal.flush();
  }

  /** Resolves when no INSERT is at the server that may be in, whatever becomes of us, and those that are in are committed. */
  async applied(): Promise<void> {
    do await this.#settle(this.#applying);
    while (this.#applying.size > 0);
  }

  /** Resolves when these INSERTs have ended, and those that are in are committed. */
  async #settle(inserts: Iterable<Promise<unknown>>): Promise<void> {
    await Promise.allSettled(inserts);
    // Whoever sent them has noted then that they are in.
    await setImmediate();
    await this.#journal.flush();
  }

  /**
   * Lets no more INSERTs begin, until the answered function is called. Resolves when those under way are in and committed, as far as they can be within `waitMs`:
   * what is in by a view's old text and is repeated after a change of it would be in twice.
   */
  async holdInserts(waitMs: number): Promise<() => void> {
    let release = (): void => undefined;
    const before = this.#gate;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    }).then(async () => before);
    this.#gate = gate;
    void gate.then(() => {
      if (this.#gate === gate) this.#gate = undefined;
    });
    await within(waitMs, this.#settle(this.#sending));
    return release;
  }

  /** INSERTs are held back: nothing that is under way will get on for now. */
  get isHeld(): boolean {
    return this.#gate !== undefined;
  }

  /** Makes `lane` write by another plan. What could not be sent before is read again. */
  replan(lane: Lane, plan: InsertPlan): void {
    this.seekBack(lane, lane.discard());
    lane.usePlan(plan);
  }

  /** Gives up whatever is waiting to be tried again; the INSERT under way is cut off. */
  abort(): void {
    this.#isDraining = true;
    this.#stopping.abort();
  }

  // ── from a fetch into a batch ──

  /** Takes nothing of a fetch; a heartbeat tells the consumer, soon, that it has to join again. */
  async #askForMembership(fetched: FetchedPartition, control: FetchControl): Promise<number> {
    await pause(OUTRUN_PAUSE_MS, this.#stopping.signal);
    await control.heartbeat();
    return fetched.fromOffset;
  }

  /** The fetch may end in records that are no messages (control records, aborted transactions): they are covered, too. */
  #coverTo(member: Member, fetched: FetchedPartition, position: number): void {
    if (position < fetched.nextOffset && this.#positions.nextInterval(fetched, position) === undefined) {
      member.seat.batch.begin(member.lane.sourceOf(fetched), position);
      member.seat.batch.cover(fetched.nextOffset);
    }
    member.lane.arm();
  }

  /**
   * Appends messages from `position` on until the record batch ends, the lane is full, a message has to be read carefully, or the cursor is at one
   * that is known to be under way or in (`known`). Offsets without records (compacted, control records) are covered with their neighbours: a
   * partition's ranges have no gaps.
   */
  #append(
    member: Member,
    partition: TopicPartition,
    cursor: RecordCursor,
    position: number,
    end: number,
  ): 'end' | 'known' | 'careful' | 'full' {
    const { seat, lane } = member;
    const { batch } = seat;
    const source = lane.sourceOf(partition);
    const writer = canCarry(source, end) ? seat.writer : undefined;
    const careful = this.#careful.beginsAt(partition, position);
    const passesOverTombstones = !this.#options.tombstones;
    // An empty message makes no row; only formats whose messages begin with something find it broken.
    const passesOverEmpty = this.#options.skipBytes > 0 || lane.plan.passesOverEmpty;
    let known = this.#positions.nextInterval(partition, position)?.first ?? Infinity;
    const quota = lane.quota(seat);
    batch.begin(source, position);
    while (cursor.next()) {
      if (cursor.offset < position) continue;
      if (cursor.offset >= known) {
        if (this.#positions.resumeAt(partition, cursor.offset) > cursor.offset) return 'known';
        known = this.#positions.nextInterval(partition, cursor.offset)?.first ?? Infinity;
      }
      if (cursor.offset >= careful) {
        batch.cover(careful);
        return 'careful';
      }
      if (cursor.valueEnd <= cursor.valueStart && (cursor.hasValue ? passesOverEmpty : passesOverTombstones)) {
        this.#status.messagesRead += 1;
        batch.cover(cursor.offset + 1);
        continue;
      }
      const rows = writer === undefined || cursor.valueEnd <= cursor.valueStart ? UNPROVABLE : writer.write(batch, source, cursor);
      if (rows === UNPROVABLE) {
        this.#careful.addOne(partition, cursor.offset, lane.plan);
        batch.cover(cursor.offset);
        return 'careful';
      }
      this.#status.messagesRead += 1;
      batch.endMessage(cursor.offset, rows);
      if (batch.rows >= quota.rows || batch.bytes >= quota.bytes) return 'full';
    }
    batch.cover(end);
    return 'end';
  }

  /**
   * Sends what has been gathered as soon as the lane has room; the next batch fills while it is under way. Another consumer of the lane may have sent it
   * meanwhile. False: the fetch is void, because of a stop or because it is read again.
   */
  async #flushFull(lane: Lane, control: FetchControl): Promise<boolean> {
    for (let reason = lane.full(); reason !== undefined && !lane.seal(reason); reason = lane.full()) {
      if (!(await waitFor(lane.room(), control))) return false;
    }
    return true;
  }

  /**
   * The memory budget is used up. A delivery that ends gives some back; a lane without any sends what it has gathered, however little, so that each table
   * gets on. False as in `#flushFull`.
   */
  async #makeRoom(lane: Lane, control: FetchControl): Promise<boolean> {
    while (!this.#budget.hasRoom() && !lane.isIdle) {
      if (lane.isWorthAnInsert()) lane.seal('memory');
      if (!(await waitFor(lane.oneEnds(), control))) return false;
    }
    if (!this.#budget.hasRoom()) lane.seal('memory');
    return true;
  }

  /** A stream that drains takes nothing; a partition whose earlier part is still under way in another lane waits for it. */
  async #mayBegin(member: Member, partition: TopicPartition, control: FetchControl): Promise<boolean> {
    const { lane } = member;
    const waitedFor = new Set<Carrier>();
    for (;;) {
      const before = this.#positions.otherCarrier(partition, lane);
      if (before === undefined || waitedFor.has(before)) break;
      waitedFor.add(before);
      if (!(await waitFor(before.idle(), control))) return false;
    }
    while (!lane.takesRangeOf(partition, this.#journal.intentBytes) && !lane.seal('partitions')) {
      if (!(await waitFor(lane.room(), control))) return false;
    }
    if (!this.#isDraining) return true;
    await waitFor(new Promise<void>(() => undefined), control);
    return false;
  }

  // ── from a batch into ClickHouse and back to Kafka ──

  /** Delivers one batch (`Deliver`): tried until it is in, or found to hold a broken message, or not ours any more, or the stream is aborted. */
  async deliver(lane: Lane, delivery: Delivery, before: Promise<boolean>): Promise<boolean> {
    for (const range of delivery.ranges) this.#positions.sealed(range, lane, delivery.insert?.intent);
    const isIn = await this.#insertUntilSettled(lane, delivery, before);
    delivery.release();
    this.#journal.flushSoon();
    return isIn;
  }

  async #insertUntilSettled(lane: Lane, delivery: Delivery, before: Promise<boolean>): Promise<boolean> {
    const { insert } = delivery;
    const { planSignal } = lane;
    for (let attempt = 0; !this.#isAborted(); attempt++) {
      const startedAtMs = Date.now();
      if (insert === undefined) {
        if (!(await before)) return this.#readAgain(lane, delivery);
        this.#inserted(delivery, Date.now() - startedAtMs);
        return true;
      }
      const { request, intent } = insert;
      const turn = new Turn(before, async (signal) => this.#journal.record(intent, signal));
      try {
        await this.#sendThrough(withToken(request, this.#deduplication, { intent }), delivery.body, turn.came);
        this.#inserted(delivery, Date.now() - startedAtMs);
        return true;
      } catch (error) {
        // Whatever it says, it is looked at in order: only what is behind something that is in can be told to be broken itself.
        const isNext = await before;
        if (this.#isAborted()) break;
        if (!isNext || turn.isRefused) return this.#readAgain(lane, delivery);
        if (turn.isHeldTooLong && !planSignal.aborted) continue;
        const failure = explainFailure(error);
        if (failure.kind !== 'other') {
          this.#isolate(lane, delivery, failure.kind);
          return this.#readAgain(lane, delivery);
        }
        this.#report(error, delivery);
        if (planSignal.aborted) return this.#handOver(lane, intent);
        await pause(backoffMs(attempt), this.#stopping.signal, planSignal);
      }
    }
    this.#abandon(lane, delivery);
    return false;
  }

  /** Sends an INSERT that is not one of a lane's row of batches: at once, but applied only while its intent is ours to deliver. */
  async #sendPart(request: InsertRequest, body: readonly Buffer[], as: PartOfIntent | undefined): Promise<number> {
    if (as === undefined) return this.#sendThrough(request, body, Promise.resolve());
    const recorded = this.#journal.record(as.intent);
    recorded.catch(() => undefined);
    return this.#sendThrough(withToken(request, this.#deduplication, as), body, recorded);
  }

  async #sendThrough(request: InsertRequest, body: readonly Buffer[], mayEnd: Promise<void>): Promise<number> {
    const { signal } = this.#stopping;
    do {
      while (this.#gate !== undefined && !signal.aborted) await Promise.race([this.#gate, untilAborted(signal)]);
      if (this.#assertStillRead !== undefined) await this.#assertStillRead();
      // Whoever holds INSERTs back waits for those that have begun, and this one has not.
    } while (this.isHeld && !signal.aborted);
    const sending = this.#send(request, body, mayEnd, signal);
    this.#sending.add(sending);
    mayEnd.then(
      () => {
        if (this.#sending.has(sending)) this.#applying.add(sending);
      },
      () => undefined,
    );
    return sending.finally(() => {
      this.#sending.delete(sending);
      this.#applying.delete(sending);
    });
  }

  /** Some of it may be in, and the rest is to be written in another way: its messages are read anew, and go under the same tokens. */
  #handOver(lane: Lane, intent: Intent): false {
    this.#recovery.takeOver(intent);
    lane.readAgain(intent.ranges.map((range) => ({ ...range, first: range.next })));
    return false;
  }

  #inserted(delivery: Delivery, durationMs: number): void {
    this.#isScanning = false;
    for (const range of delivery.ranges) this.#positions.inserted(range, delivery.insert?.intent);
    this.#status.state = this.isHolding ? 'retrying' : 'streaming';
    this.#status.inserts += 1;
    this.#status.rowsInserted += delivery.rows;
    const { reason, rows, bytes } = delivery;
    this.#logger.debug({ reason, rows, bytes, duration_ms: durationMs }, 'inserted');
  }

  /** The batch holds a message that cannot go with the others: when it is read again, its messages are scanned; if that did not help, they are read carefully. */
  #isolate(lane: Lane, delivery: Delivery, kind: 'stray-row' | 'broken'): void {
    if (kind === 'stray-row' && !this.#isScanning) {
      this.#isScanning = true;
      lane.scanNext(delivery.messages + SCAN_BEYOND_MESSAGES);
    } else {
      for (const range of delivery.ranges) this.#careful.add(range, range.first, range.next);
    }
  }

  /** The batch and all gathered behind it are forgotten and read again. */
  #readAgain(lane: Lane, delivery: Delivery): false {
    this.#abandon(lane, delivery);
    lane.readAgain(delivery.ranges);
    return false;
  }

  #abandon(lane: Lane, { ranges, insert }: Delivery): void {
    for (const range of ranges) this.#positions.abandoned(range, lane, insert?.intent);
  }

  /** Reading goes back to where each partition's first missing range begins; what is in behind it is passed over. */
  seekBack(lane: Lane, ranges: readonly PartitionRange[]): void {
    const starts = new Map<string, PartitionRange>();
    for (const range of ranges) {
      const known = starts.get(partitionKey(range));
      if (known === undefined || range.first < known.first) starts.set(partitionKey(range), range);
    }
    for (const range of starts.values()) this.#members.seek(lane, range, range.first);
  }

  /** A held partition is not fetched until it is due. */
  #isHeld(member: Member, partition: TopicPartition): boolean {
    const waitMs = Math.max(this.#careful.held.forMs(partition), this.#unreadable.forMs(partition));
    if (waitMs === 0) return false;
    member.consumer.pause([partition]);
    void pause(waitMs, this.#stopping.signal).then(() => {
      this.#members.resume(partition);
    });
    return true;
  }

  #report(error: unknown, delivery: Delivery): void {
    const where = delivery.ranges.map((range) => `${range.topic}[${range.partition}]:${range.first}-${range.next - 1}`).join(', ');
    const text = `${error instanceof Error ? error.message : String(error)} (while inserting ${where})`;
    this.#status.state = 'retrying';
    if (this.#status.exception(text)) this.#logger.error({ err: error, ranges: where, rows: delivery.rows }, 'insert failed');
  }

  /** Asked anew: it may have become true while something was waited for. */
  #isToEnd(): boolean {
    return this.#isDraining;
  }

  #isAborted(): boolean {
    return this.#stopping.signal.aborted;
  }
}

/** Between the fetches of a consumer that is to find out that it is in the group no more. */
const OUTRUN_PAUSE_MS = 200;

/** Messages scanned beyond a batch with a stray row before the quick look is trusted again. */
const SCAN_BEYOND_MESSAGES = 200_000;
