import { Batch, type ChunkPool } from '../batching/index.ts';
import { RecordCursor, UNPROVABLE } from '../formats/index.ts';
import type { KafkaTableOptions } from '../engine/index.ts';
import type { FetchedPartition } from '../kafka/index.ts';
import type { Logger } from '../logger.ts';
import { backoffMs, pause } from '../pauses.ts';
import { explainFailure } from './broken-message.ts';
import type { CarefulReading, Repeated } from './careful-reading.ts';
import { printIntents, type Intent, type PartitionRange } from './intent.ts';
import type { InsertPlan, InsertRequest } from './insert-plan.ts';
import type { Lane } from './lane.ts';
import { IntentRefused, type OffsetJournal } from './offset-journal.ts';
import type { Carrier, Positions } from './positions.ts';
import { SourceTable } from './sources.ts';
import type { StatusRecorder } from './table-status.ts';

export interface RecoveryOptions {
  readonly positions: Positions;
  readonly journal: OffsetJournal;
  /** Its own: nothing else is delivered by it. */
  readonly lane: Lane;
  readonly careful: CarefulReading;
  readonly pool: ChunkPool;
  readonly options: Pick<KafkaTableOptions, 'skipBytes' | 'tombstones'>;
  /** Sends an INSERT of an intent, which is applied only while the intent is ours to deliver. */
  readonly send: (request: InsertRequest, body: readonly Buffer[], intent: Intent) => Promise<number>;
  /** What Kafka still has of the ranges, in their order. A topic that does not exist is an error, or is left out when it is `gone`. */
  readonly readRanges: (
    ranges: readonly PartitionRange[],
    missingTopics: 'error' | 'gone',
    signal: AbortSignal,
  ) => Promise<readonly (readonly FetchedPartition[])[]>;
  /** These offsets have to be read in the usual way. */
  readonly onGivenUp: (ranges: readonly PartitionRange[]) => void;
  readonly status: StatusRecorder;
  readonly logger: Logger;
  /** Aborted when the stream gives up. */
  readonly stopping: AbortSignal;
}

/** A broker that has just started may not know its topics yet: so long it is asked again, more than half a minute. */
const GONE_AFTER_ATTEMPTS = 8;

/** After what was void: views are being changed, say. */
const AGAIN_MS = 100;

interface Job {
  readonly intent: Intent;
  /** The ranges that are ours. */
  readonly ranges: PartitionRange[];
}

/**
 * Finishes intents whose delivery was begun by somebody else, or by rows as they were written before a change: all of their messages are read anew, also those of
 * partitions that are not ours, and inserted under the same tokens; the server leaves out what it has. One after the other; a partition with an
 * unfinished intent is not read meanwhile (`Positions.otherCarrier`).
 */
export class Recovery implements Carrier {
  readonly #options: RecoveryOptions;
  readonly #jobs = new Map<string, Job>();
  #last: Promise<void> = Promise.resolve();

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  async idle(): Promise<void> {
    while (this.#jobs.size > 0) await this.#last;
  }

  /** Intents found in Kafka's record, each with a range of it that is ours now. Nothing has been read of it. */
  found(found: readonly { readonly intent: Intent; readonly range: PartitionRange }[]): void {
    const { journal, positions, logger } = this.#options;
    for (const { intent, range } of found) {
      logger.info({ intent: printIntents([intent]) }, 'an unfinished batch is delivered again');
      journal.adopt(intent);
      positions.sealed(range, this, intent);
      this.#add(intent, [range]);
    }
  }

  /** A delivery of this process that has to be made of the messages anew. */
  takeOver(intent: Intent): void {
    for (const range of intent.ranges) this.#options.positions.handedOver(range, intent, this);
    this.#add(intent, intent.ranges);
  }

  #add(intent: Intent, ranges: readonly PartitionRange[]): void {
    const known = this.#jobs.get(intent.id);
    if (known !== undefined) {
      known.ranges.push(...ranges);
      return;
    }
    const job = { intent, ranges: [...ranges] };
    this.#jobs.set(intent.id, job);
    this.#last = this.#last.then(async () => {
      await this.#run(job);
      this.#jobs.delete(intent.id);
    });
  }

  /** Until it is in, cannot be, or is not ours any more. */
  async #run({ intent, ranges }: Job): Promise<void> {
    const { positions, journal, stopping, onGivenUp, logger } = this.#options;
    for (let attempt = 0; !stopping.aborted; attempt++) {
      try {
        const repeated = await this.#repeat(intent, attempt < GONE_AFTER_ATTEMPTS ? 'error' : 'gone');
        if (repeated === 'again') {
          await pause(AGAIN_MS, stopping);
          continue;
        }
        if (repeated === 'inserted') {
          for (const range of ranges) positions.inserted(range, intent);
          journal.flushSoon();
          return;
        }
        logger.warn({ intent: printIntents([intent]) }, 'an unfinished batch cannot be repeated as it was: its messages are read anew');
        break;
      } catch (error) {
        if (error instanceof IntentRefused) break;
        this.#report(error, intent);
        await pause(backoffMs(attempt), stopping);
      }
    }
    for (const range of ranges) positions.abandoned(range, this, intent);
    if (!stopping.aborted) onGivenUp(ranges);
  }

  async #repeat(recorded: Intent, missingTopics: 'error' | 'gone'): Promise<Repeated> {
    const { journal, careful, lane, stopping } = this.#options;
    await journal.record(recorded);
    const intent = { ...recorded, ranges: recorded.ranges.filter((range) => !journal.contradicts(range, recorded)) };
    const read = await this.#options.readRanges(intent.ranges, missingTopics, stopping);
    if (intent.manner === 'together') return this.#together(intent, read);
    return careful.repeat(lane, intent, read[0] ?? []);
  }

  async #together(intent: Intent, read: readonly (readonly FetchedPartition[])[]): Promise<Repeated> {
    const { lane, send, status } = this.#options;
    const spliced = this.#splice(lane.plan, intent, read);
    if (spliced === undefined) return 'unrepeatable';
    const { batch, request } = spliced;
    let failure: Error | undefined;
    lane.launch(async () => {
      try {
        if (batch.rows > 0) status.rowsInserted += await send(request, batch.body(), intent);
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
      } finally {
        batch.release();
      }
      return failure === undefined;
    });
    await lane.idle();
    if (failure === undefined) return 'inserted';
    if (explainFailure(failure).kind === 'other') throw failure;
    return 'unrepeatable';
  }

  /** Undefined: some message cannot go with the others. */
  #splice(
    plan: InsertPlan,
    intent: Intent,
    read: readonly (readonly FetchedPartition[])[],
  ): { batch: Batch; request: InsertRequest } | undefined {
    const writer = plan.createWriter();
    if (writer === undefined) return undefined;
    const batch = new Batch(this.#options.pool);
    const sources = new SourceTable();
    const cursor = new RecordCursor(this.#options.options.skipBytes);
    writer.scanNext?.(Infinity);
    for (const [index, range] of intent.ranges.entries()) {
      const source = sources.numberOf(range);
      batch.begin(source, range.first);
      for (const records of (read[index] ?? []).flatMap(({ batches }) => batches)) {
        cursor.open(records);
        while (cursor.next()) {
          if (cursor.offset < range.first || cursor.offset >= range.next || cursor.valueEnd <= cursor.valueStart) continue;
          const rows = writer.write(batch, source, cursor);
          if (rows === UNPROVABLE) {
            batch.release();
            return undefined;
          }
          batch.endMessage(cursor.offset, rows);
        }
      }
    }
    return { batch, request: plan.batchRequest(sources, [batch]) };
  }

  #report(error: unknown, intent: Intent): void {
    const { status, logger } = this.#options;
    const text = `${error instanceof Error ? error.message : String(error)} (while finishing the batch ${printIntents([intent])})`;
    status.state = 'retrying';
    if (status.exception(text)) logger.error({ err: error }, 'an unfinished batch could not be delivered yet');
  }
}
