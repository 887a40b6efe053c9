import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import {
  limitUnfoldedBatches,
  readRecordSet,
  readRecordSetInPieces,
  RecordBatchError,
  type AbortedTransaction,
} from '../../src/kafka/record-batches.ts';
import { batchBytes, dataOf, javaBytes, markerOf, sealed, TRANSACTIONAL } from './record-batch-bytes.ts';

function read(bytes: Buffer, fetchOffset = 0, abortedTransactions: readonly AbortedTransaction[] = []) {
  return readRecordSet({ topic: 'events', partition: 3, fetchOffset, bytes, abortedTransactions });
}

function offsetsOf(bytes: Buffer, abortedTransactions: readonly AbortedTransaction[] = []): number[] {
  return read(bytes, 0, abortedTransactions).batches.map(({ baseOffset }) => baseOffset);
}

const RECORDS = 61;
const plainRecords = javaBytes('none').subarray(RECORDS);

const codec = test.macro({
  exec: (t, compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd') => {
    const { batches, nextOffset } = read(javaBytes(compression), 42);
    t.is(nextOffset, 46);
    t.deepEqual(batches, [
      {
        baseOffset: 42,
        lastOffset: 45,
        baseTimestampMs: 1_700_000_000_000,
        maxTimestampMs: 1_700_000_000_009,
        isLogAppendTime: false,
        recordCount: 4,
        records: plainRecords,
      },
    ]);
  },
  title: (_, compression: string) => `a batch that the Java client wrote with compression ${compression} reads as its plain records`,
});

test(codec, 'none');
test(codec, 'gzip');
test(codec, 'snappy');
test(codec, 'lz4');
test(codec, 'zstd');

test('snappy without frame, as librdkafka writes it, is read', (t) => {
  const bytes = batchBytes({ attributes: 2, records: compressSync(plainRecords) });
  t.deepEqual(read(bytes).batches[0]?.records, plainRecords);
});

test('framed snappy of several blocks is joined', (t) => {
  const parts = [plainRecords.subarray(0, 50), plainRecords.subarray(50)].map((part) => compressSync(part));
  const blocks = parts.flatMap((part) => [lengthOf(part), part]);
  const records = Buffer.concat([Buffer.from('82534e41505059000000000100000001', 'hex'), ...blocks]);
  t.deepEqual(read(batchBytes({ attributes: 2, records })).batches[0]?.records, plainRecords);
});

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return length;
}

test('the append time of the log is told from the time of creation', (t) => {
  t.true(read(batchBytes({ attributes: 0x08 })).batches[0]?.isLogAppendTime);
});

test('a record set cut off at any byte gives its whole batches and no error', (t) => {
  const first = javaBytes('none');
  const bytes = Buffer.concat([first, javaBytes('lz4')]);
  for (let end = 0; end <= bytes.length; end += 1) {
    const { batches, nextOffset } = read(bytes.subarray(0, end), 42);
    const expected = end < first.length ? 0 : end < bytes.length ? 1 : 2;
    t.is(batches.length, expected, `cut at byte ${end}`);
    t.is(nextOffset, expected === 0 ? 42 : 46);
  }
});

test('a changed byte anywhere behind the checksum is refused with topic, partition and offset', (t) => {
  for (let position = 21; position < javaBytes('gzip').length; position += 1) {
    const bytes = javaBytes('gzip');
    bytes[position] = (bytes[position] ?? 0) ^ 0x01;
    const error = t.throws(() => read(bytes, 42), { instanceOf: RecordBatchError });
    t.like(error, { topic: 'events', partition: 3, offset: 42 });
  }
});

test('the error of a damaged batch says what is wrong and where', (t) => {
  const bytes = batchBytes({ baseOffset: 7 });
  bytes.writeUInt32BE(0x12345678, 17);
  t.throws(() => read(bytes), {
    message:
      /^Local: Bad message format: topic events, partition 3, record batch at offset 7: CRC-32C is 0x[0-9a-f]{8}, its header says 0x12345678$/,
  });
});

const refused = test.macro({
  exec: (t: ExecutionContext, bytes: Buffer, reason: string) => {
    t.throws(() => read(bytes), { instanceOf: RecordBatchError, message: new RegExp(`${reason}$`) });
  },
  title: (title = '') => title,
});

test(
  'message sets of Kafka 0.10 are refused by name',
  refused,
  javaBytes('magic1'),
  'message format 1 \\(before Kafka 0.11\\) is not supported, only format 2',
);
test(
  'message sets of Kafka 0.9 are refused by name',
  refused,
  javaBytes('magic0'),
  'message format 0 \\(before Kafka 0.11\\) is not supported, only format 2',
);
test('an unknown message format is refused', refused, withByte(batchBytes(), 16, 9), 'unknown message format 9');
test('an impossible length is refused', refused, withByte(batchBytes(), 11, 3), 'length 15 is less than the 61 bytes of its header');
test('an unknown compression type is refused', refused, batchBytes({ attributes: 5 }), 'unknown compression type 5');
test('broken gzip is refused', refused, batchBytes({ attributes: 1 }), 'its gzip data cannot be decompressed');
test(
  'broken snappy is refused',
  refused,
  batchBytes({ attributes: 2, records: Buffer.alloc(9, 255) }),
  'its snappy data cannot be decompressed',
);
test('broken lz4 is refused', refused, batchBytes({ attributes: 3 }), 'its lz4 data cannot be decompressed');
test('broken zstd is refused', refused, batchBytes({ attributes: 4 }), 'its zstd data cannot be decompressed');

function withByte(bytes: Buffer, position: number, value: number): Buffer {
  bytes[position] = value;
  return sealed(bytes);
}

test('any bytes are read or refused, never worse', (t) => {
  const pieces = fc.oneof(
    fc.uint8Array({ maxLength: 120 }),
    fc.constantFrom(javaBytes('none'), javaBytes('zstd'), javaBytes('abortMarker')),
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 4 }), (parts) => {
      try {
        read(Buffer.concat(parts));
      } catch (error) {
        if (!(error instanceof RecordBatchError)) throw error;
      }
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('a batch of 32 MB is read', (t) => {
  const records = Buffer.alloc(32 << 20, 'x');
  t.is(read(batchBytes({ records })).batches[0]?.records.length, records.length);
});

test('batches before the offset asked for are left out, the one around it is kept', (t) => {
  const bytes = Buffer.concat([batchBytes({ baseOffset: 0, lastOffsetDelta: 4 }), batchBytes({ baseOffset: 5, lastOffsetDelta: 4 })]);
  const { batches, nextOffset } = read(bytes, 7);
  t.deepEqual([batches.map(({ baseOffset }) => baseOffset), nextOffset], [[5], 10]);
});

test('a batch that compaction emptied brings nothing but the position behind it', (t) => {
  t.deepEqual(read(batchBytes({ baseOffset: 0, lastOffsetDelta: 4, recordCount: 0, records: Buffer.alloc(0) })), {
    batches: [],
    nextOffset: 5,
  });
});

test('transaction markers are no data, and the position goes past them', (t) => {
  const bytes = Buffer.concat([javaBytes('abortMarker'), javaBytes('commitMarker')]);
  t.deepEqual(read(bytes, 50), { batches: [], nextOffset: 52 });
});

test('records of an aborted transaction are left out, those of the next one of the same producer are not', (t) => {
  const bytes = Buffer.concat([dataOf(1, 0, 2), dataOf(1, 3), markerOf(1, 4, 'abort'), dataOf(1, 5), markerOf(1, 6, 'commit')]);
  t.deepEqual(offsetsOf(bytes, [{ producerId: 1n, firstOffset: 0 }]), [5]);
});

test('aborted transactions that overlap are told apart, in whichever order the broker lists them', (t) => {
  // 1 aborts last but began first, 2 began in between, 3 commits, -1 has no transaction.
  const parts = [
    dataOf(1, 0),
    dataOf(2, 1),
    dataOf(3, 2),
    batchBytes({ baseOffset: 3 }),
    dataOf(1, 4),
    markerOf(2, 5, 'abort'),
    dataOf(2, 6),
  ];
  const bytes = Buffer.concat([...parts, markerOf(1, 7, 'abort'), dataOf(1, 8), markerOf(3, 9, 'commit')]);
  const aborted = [
    { producerId: 2n, firstOffset: 1 },
    { producerId: 1n, firstOffset: 0 },
  ];
  t.deepEqual(offsetsOf(bytes, aborted), [2, 3, 6, 8]);
});

test('two aborted transactions that began before the fetch are both known at its first batch', (t) => {
  const bytes = Buffer.concat([dataOf(2, 100), dataOf(1, 101), markerOf(1, 102, 'abort'), markerOf(2, 103, 'abort')]);
  const aborted = [
    { producerId: 1n, firstOffset: 90 },
    { producerId: 2n, firstOffset: 95 },
  ];
  t.deepEqual(read(bytes, 100, aborted), { batches: [], nextOffset: 104 });
});

test('an aborted producer sends outside of transactions unharmed', (t) => {
  const bytes = Buffer.concat([dataOf(1, 0), batchBytes({ producerId: 1, baseOffset: 1 }), markerOf(1, 2, 'abort')]);
  t.deepEqual(offsetsOf(bytes, [{ producerId: 1n, firstOffset: 0 }]), [1]);
});

test('a control batch without a record changes nothing', (t) => {
  const empty = batchBytes({ attributes: TRANSACTIONAL | 0x20, producerId: 1, baseOffset: 1, recordCount: 0, records: Buffer.alloc(0) });
  t.deepEqual(offsetsOf(Buffer.concat([dataOf(1, 0), empty, dataOf(1, 2)]), [{ producerId: 1n, firstOffset: 0 }]), []);
});

function inPieces(bytes: Buffer, mostBytes: number) {
  return readRecordSetInPieces({ topic: 'events', partition: 3, fetchOffset: 0, bytes, abortedTransactions: [] }, mostBytes);
}

function compressedAt(baseOffset: number): Buffer {
  return batchBytes({ attributes: 2, baseOffset, lastOffsetDelta: 3, records: compressSync(plainRecords) });
}

test('compressed batches come in pieces of so many decompressed bytes, and uncompressed ones together', (t) => {
  const bytes = Buffer.concat([0, 4, 8].map(compressedAt));
  const pieces = [...inPieces(bytes, plainRecords.length + 1)];
  t.deepEqual(
    pieces.map(({ batches, nextOffset }) => [batches.length, nextOffset]),
    [
      [2, 8],
      [1, 12],
    ],
  );
  t.is([...inPieces(Buffer.concat([dataOf(1, 0), dataOf(1, 1)]), 1)].length, 1);
});

for (const [pieces, mostBytes] of [
  ['pieces', 1],
  ['the piece', Infinity],
] as const)
  test(`${pieces} before a damaged batch can be read`, (t) => {
    const pieces = inPieces(Buffer.concat([compressedAt(0), batchBytes({ attributes: 1, baseOffset: 4 })]), mostBytes);
    const first = pieces.next().value;
    t.deepEqual([first?.nextOffset, first?.batches.length], [4, 1]);
    t.throws(() => pieces.next(), { instanceOf: RecordBatchError, message: /offset 4: its gzip data cannot be decompressed$/ });
  });

/** A block of zstd that repeats a byte 128 Ki times, as often as is wanted, in a frame that does not tell its size. */
function zstdBomb(blocks: number): Buffer {
  const block = (isLast: boolean): Buffer =>
    Buffer.from([(((128 * 1024) << 3) | 2 | Number(isLast)) & 255, (((128 * 1024) << 3) >> 8) & 255, ((128 * 1024) << 3) >> 16, 0]);
  return Buffer.concat([Buffer.from('28b52ffd0058', 'hex'), ...Array.from({ length: blocks }, (_, i) => block(i === blocks - 1))]);
}

const MIB = 1024 * 1024;
const bombs: Readonly<Record<string, readonly [attributes: number, records: Buffer]>> = {
  gzip: [1, gzipSync(Buffer.alloc(300 * MIB))],
  'snappy that claims 4 GiB': [2, Buffer.from('ffffffff0f00', 'hex')],
  'snappy in blocks': [2, snappyBlocksOf(Buffer.alloc(30 * MIB), 10)],
  lz4: [3, Buffer.concat(Array.from({ length: 10 }, () => compressFrameSync(Buffer.alloc(30 * MIB))))],
  zstd: [4, zstdBomb(16 * 1024)],
  'zstd that claims an exbibyte': [4, Buffer.from('28b52ffde0000000000000001001000000', 'hex')],
  'zstd with a window of 2 GiB': [4, Buffer.from('28b52ffd00a8010000', 'hex')],
};

function snappyBlocksOf(bytes: Buffer, count: number): Buffer {
  const block = compressSync(bytes);
  const blocks = Array.from({ length: count }, () => [lengthOf(block), block]).flat();
  return Buffer.concat([Buffer.from('82534e41505059000000000100000001', 'hex'), ...blocks]);
}

for (const [name, [attributes, records]] of Object.entries(bombs)) {
  test(`a batch of ${records.length} bytes that becomes far too much is refused before it takes memory: ${name}`, (t) => {
    const bytes = batchBytes({ attributes, records, baseOffset: 7 });
    limitUnfoldedBatches(64 * MIB);
    const before = process.resourceUsage().maxRSS;
    t.throws(() => read(bytes), {
      instanceOf: RecordBatchError,
      message: /topic events, partition 3, record batch at offset 7: its \w+ data may become more than 67108864 bytes: raise memory_budget/,
    });
    t.true(process.resourceUsage().maxRSS - before < 160 * 1024, `${process.resourceUsage().maxRSS - before} KiB more`);
  });
}
