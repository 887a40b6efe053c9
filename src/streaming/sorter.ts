import { Batch, type ChunkPool } from '../batching/index.ts';
import type { ManagedTable } from '../catalog/index.ts';
import { UNPROVABLE, type RecordCursor } from '../formats/index.ts';
import type { TopicPartition } from '../kafka/index.ts';
import { errorText, explainFailure, type BrokenMessage } from './broken-message.ts';
import { payloadOf } from './message-rows.ts';
import type { InsertPlan, InsertRequest } from './insert-plan.ts';
import type { Segment } from './segment.ts';
import { SourceTable } from './sources.ts';
import { tombstoneRows } from './tombstone-rows.ts';

/** Messages that make one body, and the statement that goes with it. */
export interface Together {
  readonly batch: Batch;
  readonly request: InsertRequest;
}

/** What the server makes of a segment's messages. Those that are nowhere make no row. */
export interface Sorted {
  /** Go in one INSERT. */
  readonly together: readonly RecordCursor[];
  /** Become rows without value. */
  readonly tombstones: readonly RecordCursor[];
  /** Each needs an INSERT of its own. */
  readonly alone: readonly RecordCursor[];
  readonly broken: readonly BrokenMessage[];
}

/** Sends a check: resolves with the rows that the server read, throws its exception about the messages. Troubles of another kind it waits out. */
export type SendCheck = (request: InsertRequest, body: readonly Buffer[]) => Promise<number>;

/** A broken message so near behind another one, or the beginning, makes its neighbours suspect, too. */
const DENSE_MESSAGES = 8;
const NEIGHBOURS = 64;
/** Checks of single messages under way at a time. */
const CHECKS_UNDER_WAY = 8;

/**
 * Finds the broken messages among those of one partition, by letting the server read them without inserting anything (`InsertPlan.batchCheck`): many at a
 * time as long as they are good, one by one where one is broken.
 */
export class Sorter {
  readonly #plan: InsertPlan;
  readonly #table: ManagedTable;
  readonly #pool: ChunkPool;
  readonly #partition: TopicPartition;
  readonly #send: SendCheck;

  constructor(options: { plan: InsertPlan; table: ManagedTable; pool: ChunkPool; partition: TopicPartition; send: SendCheck }) {
    this.#plan = options.plan;
    this.#table = options.table;
    this.#pool = options.pool;
    this.#partition = options.partition;
    this.#send = options.send;
  }

  /** Throws what `SendCheck` throws when it was aborted. */
  async sort({ messages, tombstones }: Pick<Segment, 'messages' | 'tombstones'>): Promise<Sorted> {
    const suspects = await this.#suspects(messages);
    const single = messages.filter((message) => suspects.has(message));
    const alone: RecordCursor[] = [];
    const broken: BrokenMessage[] = [];
    const withoutRows = new Set<RecordCursor>();
    await forEachOf(single, CHECKS_UNDER_WAY, async (message) => {
      const result = await this.#checkOne(message);
      if (typeof result === 'string') broken.push({ message, error: result });
      else if (result === 0) withoutRows.add(message);
      else if (suspects.get(message) === 'blamed') alone.push(message);
    });
    if (!(await this.canReadTombstones(tombstones))) {
      await forEachOf(tombstones, CHECKS_UNDER_WAY, async (message) => {
        const error = await this.#checkTombstones([message]);
        if (error !== undefined) broken.push({ message, error });
      });
    }
    const apart = new Set([...alone, ...broken.map(({ message }) => message), ...withoutRows]);
    return {
      together: messages.filter((message) => !apart.has(message)),
      tombstones: tombstones.filter((message) => !apart.has(message)),
      alone: alone.sort((a, b) => a.offset - b.offset),
      broken: broken.sort((a, b) => a.message.offset - b.message.offset),
    };
  }

  /** Whether the keys of all these tombstones can be read. */
  async canReadTombstones(tombstones: readonly RecordCursor[]): Promise<boolean> {
    return tombstones.length === 0 || (await this.#checkTombstones(tombstones)) === undefined;
  }

  /** One body of all messages, or undefined when one of them needs an INSERT of its own. The caller releases the batch. */
  splice(messages: readonly RecordCursor[]): Together | undefined {
    const written = this.#write(messages);
    if (written === undefined || written.unprovable.length === 0) return written && this.#insertOf(written);
    written.batch.release();
    return undefined;
  }

  #insertOf({ batch, sources }: { batch: Batch; sources: SourceTable }): Together {
    return { batch, request: this.#plan.batchRequest(sources, [batch]) };
  }

  #write(messages: readonly RecordCursor[]): { batch: Batch; sources: SourceTable; unprovable: RecordCursor[] } | undefined {
    const writer = this.#plan.createWriter();
    if (writer === undefined) return undefined;
    const batch = new Batch(this.#pool);
    const sources = new SourceTable();
    const source = sources.numberOf(this.#partition);
    const unprovable: RecordCursor[] = [];
    writer.scanNext?.(messages.length);
    batch.begin(source, messages[0]?.offset ?? 0);
    for (const message of messages) {
      const rows = message.valueStart === message.valueEnd ? UNPROVABLE : writer.write(batch, source, message);
      if (rows === UNPROVABLE) unprovable.push(message);
      else batch.endMessage(message.offset, rows);
    }
    return { batch, sources, unprovable };
  }

  /** Messages to be looked at one by one. `blamed`: it cannot go with others; `neighbour`: it can, if it is not broken itself. */
  async #suspects(messages: readonly RecordCursor[]): Promise<Map<RecordCursor, 'blamed' | 'neighbour'>> {
    const suspects = new Map<RecordCursor, 'blamed' | 'neighbour'>();
    let window = messages.length;
    /** Where what is known of the last broken message ends. */
    let behindLast = 0;
    for (let from = 0; from < messages.length;) {
      const some = messages.slice(from, from + window);
      const failure = await this.#checkTogether(some, suspects);
      if (failure === undefined) {
        from += some.length;
        window *= 2;
      } else if (failure.at === undefined && some.length > 1) {
        window = Math.ceil(some.length / 2);
      } else {
        const at = failure.at ?? 0;
        const isDense = from + at - behindLast < DENSE_MESSAGES;
        const neighbours = isDense ? messages.slice(from, from + NEIGHBOURS) : [];
        for (const neighbour of neighbours) if (!suspects.has(neighbour)) suspects.set(neighbour, 'neighbour');
        suspects.set(some[at] as RecordCursor, 'blamed');
        from += Math.max(at + 1, neighbours.length);
        behindLast = from;
        window = Math.max(NEIGHBOURS, 2 * (at + 1));
      }
    }
    return suspects;
  }

  /** Checks messages in one body. Those that cannot be in it are noted as blamed. `at`: the message that the failure is about, if the server told. */
  async #checkTogether(
    messages: readonly RecordCursor[],
    suspects: Map<RecordCursor, 'blamed' | 'neighbour'>,
  ): Promise<{ readonly at?: number } | undefined> {
    const written = this.#write(messages);
    for (const message of written?.unprovable ?? messages) suspects.set(message, 'blamed');
    if (written === undefined) return undefined;
    const { batch, sources } = written;
    try {
      if (batch.rows > 0) await this.#send(this.#plan.batchCheck(sources, [batch]), batch.body());
      return undefined;
    } catch (error) {
      const failure = explainFailure(error);
      if (failure.kind === 'other') throw error;
      const offset = failure.kind === 'broken' && failure.row !== undefined ? batch.messageOfRow(failure.row)?.offset : undefined;
      const at = messages.findIndex((message) => message.offset === offset);
      return at < 0 ? {} : { at };
    } finally {
      batch.release();
    }
  }

  async #checkTombstones(tombstones: readonly RecordCursor[]): Promise<string | undefined> {
    const { request, body } = tombstoneRows(this.#table, this.#partition, tombstones, 'check');
    const result = await this.#check(request, body);
    return typeof result === 'string' ? result : undefined;
  }

  async #checkOne(message: RecordCursor): Promise<number | string> {
    return this.#check(this.#plan.messageCheck(message), [payloadOf(message)]);
  }

  /** The rows of one message, or why it is broken. */
  async #check(request: InsertRequest, body: readonly Buffer[]): Promise<number | string> {
    try {
      return await this.#send(request, body);
    } catch (error) {
      if (explainFailure(error).kind === 'other') throw error;
      return errorText(error);
    }
  }
}

/** Runs `work` for each item, a few of them at a time; the first failure ends it, once those under way have ended. */
async function forEachOf<T>(items: readonly T[], atATime: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const workers = Array.from({ length: atATime }, async () => {
    for (const item of queue) await work(item);
  });
  const failed = (await Promise.allSettled(workers)).find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
