import test from 'ava';
import { readOptions } from './options.ts';
import type { OutMessage } from './out-truth.ts';
import {
  Frames,
  readCommit,
  readRequestHead,
  readTransactionRequest,
  refusalOfCommit,
  withSessionTimeout,
} from './proxies/kafka-frames.ts';
import { Deck, Random } from './random.ts';
import type { PartitionTruth } from './truth.ts';
import { compare } from './verify.ts';
import { verifyOut } from './verify-out.ts';

const TRUTH: PartitionTruth = {
  topic: 'orders',
  partition: 3,
  readable: [0, 1, 2, 5, 6],
  broken: [4],
  sum: 0n,
  writtenAtMs: new Map([[5, 1_700_000_000_000]]),
};

test('a message that is missing, one that is there twice and one that no reader sees are told apart', (t) => {
  const found = compare({ name: 'plain', keeps: 'readable' }, TRUTH, [
    [0, 1],
    [1, 2],
    [2, 1],
    [3, 1],
    [6, 1],
  ]);
  t.deepEqual(
    found.map(({ what, offset, times, writtenAtMs }) => [what, offset, times, writtenAtMs]),
    [
      ['doubled', 1, 2, 0],
      ['foreign', 3, 1, 0],
      ['lost', 5, 0, 1_700_000_000_000],
    ],
  );
  t.deepEqual(compare({ name: 'errors', keeps: 'broken' }, TRUTH, [[4, 1]]), []);
  t.is(compare({ name: 'empty', keeps: 'readable' }, TRUTH, []).length, 5);
});

test('the same seed draws the same kinds, and each kind as often as every other one', (t) => {
  const draw = (seed: number): string => {
    const deck = new Deck(['a', 'b', 'c', 'd'], new Random(seed));
    return Array.from({ length: 8 }, () => deck.draw(() => true)).join('');
  };
  t.is(draw(7), draw(7));
  t.deepEqual(new Set(Array.from({ length: 50 }, (_, seed) => draw(seed).split('').sort().join(''))), new Set(['aabbccdd']));
  t.is(
    new Deck(['a'], new Random(1)).draw(() => false),
    undefined,
  );
});

test('a commit is read from its request, and refused partition by partition', (t) => {
  const [frame = Buffer.alloc(0)] = new Frames().add(offsetCommit());
  const head = readRequestHead(frame);
  t.deepEqual(
    { apiKey: head.apiKey, version: head.version, correlationId: head.correlationId },
    { apiKey: 8, version: 5, correlationId: 77 },
  );
  const commit = readCommit(frame, head);
  t.deepEqual(commit, {
    group: 'g',
    generation: 4,
    topics: [{ name: 'orders', partitions: [{ partition: 3, offset: 12n, metadata: 'noted' }] }],
  });
  const refusal = refusalOfCommit(head, commit ?? { group: '', generation: 0, topics: [] }, 16);
  t.is(refusal.length, 4 + refusal.readInt32BE(0));
  t.is(refusal.readInt32BE(4), 77);
  t.is(refusal.readInt16BE(refusal.length - 2), 16);
});

test('frames that come in pieces are put together', (t) => {
  const frames = new Frames();
  const bytes = offsetCommit();
  t.deepEqual(frames.add(bytes.subarray(0, 3)), []);
  t.deepEqual(frames.add(Buffer.concat([bytes.subarray(3), bytes.subarray(0, 9)])), [bytes]);
  t.deepEqual(frames.add(bytes.subarray(9)), [bytes]);
});

test('a request of a transaction tells whose it is and what stands with its offset', (t) => {
  const partition = [int32(0), Buffer.from([0, 0, 0, 0, 0, 0, 0, 12]), string('sent')];
  const producer = Buffer.concat([Buffer.alloc(8), Buffer.from([0, 3])]);
  const frame = request(28, 1, [string('outbox'), string('g'), producer, int32(1), string('out'), int32(1), ...partition]);
  t.deepEqual(readTransactionRequest(frame, readRequestHead(frame)), {
    api: 'TxnOffsetCommit',
    transactionalId: 'outbox',
    metadata: 'sent',
  });
  const other = offsetCommit();
  t.is(readTransactionRequest(other, readRequestHead(other)), undefined);
});

test('a number that no reader sees, one that is there twice, one that nobody wrote and one out of its order are told', (t) => {
  const table = { target: 'out', topic: 'out', queue: 'q', source: 's' };
  const message = (w: number, n: number): OutMessage => ({ partition: 0, key: `writer ${w}`, w, n, sentAtMs: 1000 + n });
  const check = (numbers: readonly OutMessage[], doubtful: ReadonlyMap<number, number> = new Map()): unknown[] => {
    const written = [{ writer: 1, table, count: 4, writtenAtMs: new Map([[0, 500]]), doubtful }];
    const { verdicts, findings } = verifyOut([table], new Map([['out', numbers]]), written, []);
    return [
      verdicts[0]?.isPassed,
      verdicts[0]?.disordered,
      findings.map(({ what, partition, offset }) => `${what} ${partition}: ${offset}`),
    ];
  };
  const all = [0, 1, 2, 3].map((n) => message(1, n));
  t.deepEqual(check(all), [true, 0, []]);
  t.deepEqual(check([...all.slice(0, 3), message(1, 1)]), [false, 1, ['doubled 1: 1', 'lost 1: 3']]);
  t.deepEqual(check([...all, message(1, 4), message(2, 0)]), [false, 0, ['foreign 1: 4', 'foreign 2: 0']]);
  t.deepEqual(check([0, 2, 1, 3].map((n) => message(1, n))), [false, 1, []]);
  t.deepEqual(check(all.slice(0, 2), new Map([[2, 2]])), [true, 0, []], 'nobody knows of the rest');
  t.deepEqual(check(all.slice(0, 3), new Map([[2, 2]])), [false, 0, ['lost 1: 3']], 'but half of an INSERT is not one');
  t.deepEqual(check([...all, message(1, 3)], new Map([[2, 2]])), [false, 0, ['doubled 1: 3']]);
});

test('a member that joins gets the shorter session time-out', (t) => {
  const frame = request(11, 5, [string('group'), int32(45_000), int32(60_000)]);
  const changed = withSessionTimeout(frame, readRequestHead(frame), 7000);
  t.is(changed.length, frame.length);
  t.deepEqual(changed, request(11, 5, [string('group'), int32(7000), int32(60_000)]));
});

test('an option that nobody knows is refused', (t) => {
  t.throws(() => readOptions(['--only', 'earthquake']), { message: '--only does not know earthquake' });
  t.throws(() => readOptions(['--faults', 'many']), { message: /--faults takes a whole number/ });
  t.throws(() => readOptions(['--peer', '--only', 'gateway-killed']), { message: /can meet none/ });
  t.is(readOptions(['--help']), undefined);
});

function offsetCommit(): Buffer {
  const partition = [int32(1), int32(3), Buffer.from([0, 0, 0, 0, 0, 0, 0, 12]), string('noted')];
  return request(8, 5, [string('g'), int32(4), string('member'), int32(1), string('orders'), ...partition]);
}

function request(apiKey: number, version: number, body: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat([Buffer.from([0, apiKey, 0, version]), int32(77), string('client'), ...body]);
  return Buffer.concat([int32(bytes.length), bytes]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function string(text: string): Buffer {
  return Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)]);
}
