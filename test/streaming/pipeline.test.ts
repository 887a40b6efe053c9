import test from 'ava';
import { ChunkPool, MemoryBudget } from '../../src/batching/index.ts';
import type { ManagedTable } from '../../src/catalog/index.ts';
import {
  RecordBatchWriter,
  type CommitOffset,
  type FetchControl,
  type FetchedPartition,
  type GroupConsumer,
  type TopicPartition,
} from '../../src/kafka/index.ts';
import { ClickHouseException } from '../../src/errors.ts';
import { silentLogger } from '../../src/logger.ts';
import { Ingest } from '../../src/streaming/ingest.ts';
import { InsertPlan } from '../../src/streaming/insert-plan.ts';
import { Lane } from '../../src/streaming/lane.ts';
import type { Member } from '../../src/streaming/members.ts';
import { StatusRecorder } from '../../src/streaming/table-status.ts';
import { waitFor } from '../helpers/index.ts';

const PARTITION: TopicPartition = { topic: 't', partition: 0 };

const TABLE = {
  database: 'd',
  table: 'q',
  columns: [{ name: 'a', type: 'UInt64' }],
  usedVirtualColumns: [],
  options: { format: 'JSONEachRow', keyColumns: [], schema: '', formatSettings: {}, skipBrokenMessages: 0 },
} as unknown as ManagedTable;

/** A server that answers an INSERT when told to; `applied` lists the bodies it has applied, in its order. */
class Server {
  readonly applied: string[] = [];
  /** Bodies it began to read, ever. */
  readonly begun: string[] = [];
  readonly #reading: { readonly body: string; readonly fail: (error: Error) => void; readonly answer: () => void }[] = [];

  /** Bodies it reads now. */
  get reading(): string[] {
    return this.#reading.map(({ body }) => body);
  }

  async insert(body: readonly Buffer[], mayEnd: Promise<void>): Promise<void> {
    const text = Buffer.concat(body).toString();
    this.begun.push(text);
    const answered = new Promise<void>((resolve, reject) => {
      this.#reading.push({ body: text, fail: reject, answer: resolve });
    });
    const ended = mayEnd.then(async () => answered);
    // A refusal comes whenever the server notices; an answer only when the body has ended.
    try {
      await Promise.race([ended, answered.then(async () => ended)]);
      this.applied.push(text);
    } finally {
      const at = this.#reading.findIndex((one) => one.body === text);
      this.#reading.splice(at, 1);
    }
  }

  answer(body: string): void {
    this.#reading.find((one) => one.body === body)?.answer();
  }

  refuse(body: string, error: Error): void {
    this.#reading.find((one) => one.body === body)?.fail(error);
  }
}

/** One table with one consumer, without Kafka: messages are put into batches by hand. `join` adds another consumer, of a later generation, to its lane. */
function useLane(options: { metadataBytes?: number; assertStillRead?: () => Promise<void> } = {}): {
  server: Server;
  write: (offset: number, partition?: TopicPartition) => void;
  lane: Lane;
  commits: bigint[];
  seeks: bigint[];
  ingest: Ingest;
  member: Member;
  join: () => Member;
} {
  const server = new Server();
  const commits: bigint[] = [];
  const seeks: bigint[] = [];
  const consumer: Partial<GroupConsumer> = {
    isAssigned: () => true,
    memberId: 'member',
    generationId: 1,
    commit: async (offsets: readonly CommitOffset[]) => {
      if (offsets.some(({ metadata = '' }) => metadata.length > (options.metadataBytes ?? Infinity)))
        throw new Error('refused', { cause: { type: 'OFFSET_METADATA_TOO_LARGE' } });
      commits.push(...offsets.map(({ offset }) => offset).filter((offset) => offset > (commits.at(-1) ?? 0n)));
      return Promise.resolve();
    },
    seek: (_partition: TopicPartition, offset: bigint) => {
      seeks.push(offset);
    },
  };
  const budget = new MemoryBudget(64 * 1024 * 1024);
  const openLane = (): Lane => {
    const lane: Lane = new Lane({
      limits: { maxRows: 100, maxBytes: 1000, eagerBytes: 1000, flushIntervalMs: 3_600_000 },
      pool: new ChunkPool(budget),
      plan: new InsertPlan(TABLE),
      deliver: async (delivery, before) => ingest.deliver(lane, delivery, before),
      onRegroup: (ranges) => {
        ingest.seekBack(lane, ranges);
      },
    });
    return lane;
  };
  const recoveryLane = openLane();
  const ingest = new Ingest({
    deduplication: {},
    assertStillRead: options.assertStillRead ?? (async () => Promise.resolve()),
    readRanges: async () => Promise.resolve([]),
    recoveryLane,
    send: async (_request, body, mayEnd) => {
      await server.insert(body, mayEnd);
      return 0;
    },
    budget,
    pool: new ChunkPool(budget),
    table: () => (options.assertStillRead === undefined ? TABLE : { ...TABLE, carriers: {} as never }),
    deadLetterTable: '',
    ensureDeadLetterTable: async () => Promise.resolve(),
    sendLetters: async () => Promise.resolve(),
    status: new StatusRecorder(),
    logger: silentLogger(),
  });
  const lane = openLane();
  const seat = lane.openSeat();
  const member = { consumer, lane, seat } as unknown as Member;
  ingest.addMember(member);
  ingest.committed(member, [{ ...PARTITION, offset: 0n, metadata: '' }]);
  const write = (offset: number, partition = PARTITION): void => {
    const { batch } = seat;
    batch.begin(lane.sourceOf(partition), offset);
    batch.ensure(16);
    batch.position += batch.chunk.write(String(offset), batch.position);
    batch.endMessage(offset, 1);
  };
  const join = (): Member => {
    const later = { consumer: { ...consumer, memberId: 'later', generationId: 2 }, lane, seat: lane.openSeat() } as unknown as Member;
    ingest.addMember(later);
    return later;
  };
  return { server, write, lane, commits, seeks, ingest, member, join };
}

function fetchOf(fromOffset: number, values: readonly string[]): FetchedPartition {
  const writer = new RecordBatchWriter(100_000);
  for (const value of values) {
    const bytes = Buffer.from(value);
    writer.append(bytes, -1, -1, 0, bytes.length, 0, undefined);
  }
  const { records, recordCount } = writer.take();
  const nextOffset = fromOffset + values.length;
  const times = { baseTimestampMs: 0, maxTimestampMs: 0, isLogAppendTime: false };
  const batch = { baseOffset: fromOffset, lastOffset: nextOffset - 1, recordCount, records, ...times };
  return { ...PARTITION, batches: [batch], fromOffset, nextOffset, highWatermark: nextOffset };
}

const CURRENT: FetchControl = { heartbeat: async () => Promise.resolve(), isStale: () => false, isRunning: () => true };

test('the server reads the next batch while it applies the one before, and is not asked to read a third', async (t) => {
  const { server, write, lane, commits } = useLane();
  for (const offset of [0, 1]) {
    write(offset);
    t.true(lane.seal('rows'));
  }
  write(2);
  t.false(lane.seal('rows'));
  t.deepEqual(server.reading, ['0', '1']);

  server.answer('1');
  server.answer('0');
  await lane.idle();
  t.deepEqual(server.applied, ['0', '1']);
  await waitFor(() => commits.at(-1) === 2n);
  t.true(lane.seal('rows'));
});

test('a batch that is refused once is applied before the one behind it', async (t) => {
  const { server, write, lane, commits } = useLane();
  for (const offset of [0, 1]) {
    write(offset);
    lane.seal('rows');
  }
  server.answer('1');
  server.refuse('0', new ClickHouseException(252, 'TOO_MANY_PARTS', 'Too many parts'));
  await waitFor(() => server.begun.filter((body) => body === '0').length === 2);
  t.deepEqual(server.applied, []);
  server.answer('0');
  await lane.idle();
  t.deepEqual(server.applied, ['0', '1']);
  await waitFor(() => commits.at(-1) === 2n);
});

test('a batch with a broken message takes the one behind it along: both are read again', async (t) => {
  const { server, write, lane, commits, seeks } = useLane();
  for (const offset of [0, 1]) {
    write(offset);
    lane.seal('rows');
  }
  write(2);
  server.answer('1');
  server.refuse('0', new ClickHouseException(27, 'CANNOT_PARSE_INPUT_ASSERTION_FAILED', 'Cannot parse input: (at row 1)'));
  await lane.idle();
  t.deepEqual([server.applied, server.reading, commits], [[], [], []]);
  t.deepEqual(seeks, [0n]);
});

test('a broken message in the batch that is read ahead is not blamed before its turn', async (t) => {
  const { server, write, lane, commits, seeks } = useLane();
  for (const offset of [0, 1]) {
    write(offset);
    lane.seal('rows');
  }
  server.refuse('1', new ClickHouseException(27, 'CANNOT_PARSE_INPUT_ASSERTION_FAILED', 'Cannot parse input: (at row 1)'));
  await waitFor(() => !server.reading.includes('1'));
  t.deepEqual(seeks, []);
  server.answer('0');
  await lane.idle();
  t.deepEqual(server.applied, ['0']);
  await waitFor(() => commits.at(-1) === 1n);
  t.deepEqual(seeks, [1n]);
});

test('a stretch with a broken message, whose reader left for a rebalance, is read again though what is behind it was read meanwhile', async (t) => {
  const { server, lane, commits, seeks, ingest, member } = useLane();
  const broken = new ClickHouseException(27, 'CANNOT_PARSE_INPUT_ASSERTION_FAILED', 'Cannot parse input: (at row 1)');
  const values = ['{"a":"no number"}', ...Array.from({ length: 19 }, (_, i) => `{"a":${i + 1}}`)];
  const fetched = fetchOf(0, values.slice(0, 16));
  t.is(await ingest.fetched(member, fetched, CURRENT), 16);
  lane.seal('rows');
  await waitFor(() => server.reading.length === 1);
  server.refuse(server.reading[0] ?? '', broken);
  await lane.idle();
  t.deepEqual(seeks, [0n]);

  let isRebalancing = false;
  const heartbeat = async (): Promise<void> => {
    if (isRebalancing) throw new Error('the group rebalances');
    return Promise.resolve();
  };
  const carefully = ingest.fetched(member, fetched, { ...CURRENT, heartbeat });
  await waitFor(() => server.reading.length === 1);
  isRebalancing = true;
  await t.throwsAsync(carefully, { message: 'the group rebalances' });
  ingest.assigned(member);
  const more = fetchOf(0, values);
  t.is(await ingest.fetched(member, more, CURRENT), 20, 'the first 16 are under way');
  lane.seal('rows');
  await waitFor(() => server.reading.length === 2);
  const [stretch = '', behind = ''] = server.reading;
  server.refuse(stretch, broken);
  server.answer(behind);
  await lane.idle();
  t.deepEqual([seeks, server.applied], [[0n, 0n], [behind]]);

  const again = ingest.fetched(member, more, CURRENT);
  await waitFor(() => server.reading.length === 1);
  server.answer(stretch);
  t.is(await again, 20);
  lane.seal('rows');
  await lane.idle();
  t.deepEqual(server.applied, [behind, stretch], 'what came in behind it is not read again');
  await waitFor(() => commits.at(-1) === 20n);
});

test('a consumer that has not heard yet that its partitions are another one’s doubles nothing in the batch they share', async (t) => {
  const { server, lane, commits, ingest, member, join } = useLane();
  const values = ['{"a":1}', '{"a":2}', '{"a":3}'];
  t.is(await ingest.fetched(member, fetchOf(0, values.slice(0, 2)), CURRENT), 2);

  const later = join();
  ingest.assigned(later);
  ingest.committed(later, [{ ...PARTITION, offset: 0n, metadata: '' }]);
  t.is(await ingest.fetched(later, fetchOf(0, values), CURRENT), 3);
  let heartbeats = 0;
  const heartbeat = async (): Promise<void> => {
    heartbeats += 1;
    return Promise.resolve();
  };
  t.is(await ingest.fetched(member, fetchOf(2, values.slice(2)), { ...CURRENT, heartbeat }), 2, 'it takes nothing');
  t.is(heartbeats, 1, 'and asks for its membership');
  ingest.removeMember(member);
  lane.seal('rows');
  await waitFor(() => server.reading.length === 1);
  const [body = ''] = server.reading;
  t.deepEqual(body.match(/"a":\d/g), ['"a":1', '"a":2', '"a":3']);
  server.answer(body);
  await lane.idle();
  await waitFor(() => commits.at(-1) === 3n);
});

test('what a new member has read is committed while the one before it has not heard yet that it is out of the group', async (t) => {
  const { server, lane, commits, ingest, join } = useLane();
  const later = join();
  ingest.assigned(later);
  ingest.committed(later, [{ ...PARTITION, offset: 0n, metadata: '' }]);
  t.is(await ingest.fetched(later, fetchOf(0, ['{"a":1}']), CURRENT), 1);
  lane.seal('rows');
  await waitFor(() => server.reading.length === 1);
  server.answer(server.reading[0] ?? '');
  await lane.idle();
  await waitFor(() => commits.at(-1) === 1n);
});

test('a consumer whose partitions become another one’s while it waits for room takes no more of its fetch', async (t) => {
  const { server, lane, ingest, member, join } = useLane();
  // A full batch each: two are on their way, the third waits.
  const values = Array.from({ length: 400 }, (_, i) => `{"a":${1000 + i}}`);
  const waiting = ingest.fetched(member, fetchOf(0, values), CURRENT);
  await waitFor(() => server.reading.length === 2);
  const later = join();
  ingest.assigned(later);
  for (const body of server.reading) server.answer(body);
  const position = await waiting;
  t.true(position < values.length);
  lane.seal('rows');
  await lane.idle();
  t.is(server.begun.length, 2, 'what it had gathered is not sent');
});

test('a batch whose partition begins anew before Kafka knows of it is given up, and the lane goes on', async (t) => {
  const { server, write, lane, ingest, seeks } = useLane({ metadataBytes: 0 });
  t.teardown(() => ingest.abort());
  write(900);
  lane.seal('rows');
  await waitFor(() => server.reading.length === 1);
  ingest.offsetsReset(PARTITION, 901, 0);
  await lane.idle();
  t.deepEqual([server.applied, seeks], [[], [900n]]);
});

test('a batch of many partitions goes in smaller ones when the brokers take less metadata with an offset', async (t) => {
  const { server, write, lane, ingest, member, seeks } = useLane({ metadataBytes: 300 });
  const partitions = Array.from({ length: 60 }, (_, partition) => ({ topic: 't', partition }));
  ingest.committed(
    member,
    partitions.map((partition) => ({ ...partition, offset: 0n, metadata: '' })),
  );
  for (const partition of partitions) write(0, partition);
  lane.seal('rows');
  await lane.idle();
  t.deepEqual([server.applied, seeks.length], [[], 60], 'it is read again');
  for (const partition of partitions.slice(0, 10)) write(0, partition);
  lane.seal('rows');
  await waitFor(() => server.reading.length === 1);
  server.answer('0'.repeat(10));
  await lane.idle();
  t.is(server.applied.length, 1);
});

test('whoever waits for a lane to be idle gets his turn though batches never stop coming', async (t) => {
  const { server, write, lane } = useLane();
  t.teardown(() => lane.close());
  let offset = 0;
  const idle = new AbortController();
  const keepFilling = (): void => {
    if (idle.signal.aborted || offset > 50) return;
    write(offset++);
    if (lane.seal('rows')) keepFilling();
    else void lane.room().then(keepFilling);
  };
  keepFilling();
  void lane.idle().then(() => {
    idle.abort();
  });
  while (!idle.signal.aborted && offset <= 50) {
    server.answer(server.reading[0] ?? '');
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.true(idle.signal.aborted && offset < 10);
  await waitFor(() => {
    for (const body of server.reading) server.answer(body);
    return lane.isIdle;
  });
});

test('an INSERT that was about to begin when INSERTs are held back waits until they go on', async (t) => {
  let release: () => void = () => undefined;
  const asked: (() => void)[] = [];
  const { server, write, lane, ingest } = useLane({ assertStillRead: async () => new Promise((resolve) => asked.push(resolve)) });
  write(0);
  lane.seal('rows');
  await waitFor(() => asked.length === 1);
  release = await ingest.holdInserts(0);
  asked[0]?.();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.deepEqual(server.begun, []);
  release();
  await waitFor(() => asked.length === 2);
  asked[1]?.();
  await waitFor(() => server.reading.length === 1);
  server.answer('0');
  await lane.idle();
  t.deepEqual(server.applied, ['0']);
});

test('a log that was cut off is read from its beginning, also what has the offsets of messages that were gathered before', async (t) => {
  const { server, lane, commits, ingest, member } = useLane();
  const values = ['{"a":1}', '{"a":2}'];
  t.is(await ingest.fetched(member, fetchOf(900, values), CURRENT), 902);
  ingest.offsetsReset(PARTITION, 902, 0);
  t.is(await ingest.fetched(member, fetchOf(0, ['{"a":3}']), CURRENT), 1);
  lane.seal('rows');
  await waitFor(() => server.reading.length === 1);
  t.deepEqual(server.reading[0]?.match(/"a":\d/g), ['"a":3']);
  server.answer(server.reading[0] ?? '');
  await lane.idle();
  await waitFor(() => commits.at(-1) === 1n);
});

test('messages that are gone behind the first ones of a group do not move its offset past those before they are in', async (t) => {
  const { server, lane, commits, ingest, member } = useLane();
  ingest.committed(member, [{ topic: 'new', partition: 0, offset: -1n, metadata: '' }]);
  const first = { ...fetchOf(5, ['{"a":1}']), topic: 'new' };
  t.is(await ingest.fetched(member, first, CURRENT), 6);
  ingest.offsetsReset({ topic: 'new', partition: 0 }, 6, 100);
  lane.seal('rows');
  await waitFor(() => server.reading.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.true((commits.at(-1) ?? 0n) <= 5n);
  server.answer(server.reading[0] ?? '');
  await lane.idle();
  await waitFor(() => commits.at(-1) === 100n);
});
