import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'ava';
import fc from 'fast-check';
import { RecordBatchWriter, type RecordHeader } from '../../src/kafka/index.ts';
import type { WrittenRecords } from '../../src/kafka/record-batch-writer.ts';

// kafkajs' own decoders, which know nothing of our writer.
const load = createRequire(import.meta.url);
const Decoder = load('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => {
  canReadBytes(bytes: number): boolean;
  readVarIntBytes(): Buffer;
};
const decodeRecord = load('kafkajs/src/protocol/recordBatch/record/v0/decoder') as (
  decoder: unknown,
  batch: { firstOffset: string; firstTimestamp: string; magicByte: number },
) => DecodedRecord;

interface DecodedRecord {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
}

interface Message {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers?: readonly RecordHeader[] | undefined;
}

function append(writer: RecordBatchWriter, { key, value, timestampMs, headers }: Message): boolean {
  const source = Buffer.concat([Buffer.from('..'), key ?? Buffer.alloc(0), value ?? Buffer.alloc(0), Buffer.from('..')]);
  const [keyStart, keyEnd] = key === null ? [-1, -1] : [2, 2 + key.length];
  const [valueStart, valueEnd] = value === null ? [-1, -1] : [source.length - 2 - value.length, source.length - 2];
  return writer.append(source, keyStart, keyEnd, valueStart, valueEnd, timestampMs, headers);
}

function read({ records, recordCount, baseTimestampMs }: WrittenRecords): DecodedRecord[] {
  const decoder = new Decoder(records);
  const batch = { firstOffset: '0', firstTimestamp: String(baseTimestampMs), magicByte: 2 };
  const decoded = Array.from({ length: recordCount }, () => decodeRecord(new Decoder(decoder.readVarIntBytes()), batch));
  if (decoder.canReadBytes(1)) throw new Error('there are more bytes than records');
  return decoded;
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const message = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  timestampMs: fc.oneof(fc.integer({ min: 1_700_000_000_000, max: 1_700_000_000_999 }), fc.integer({ min: 0, max: 10_413_791_999_999 })),
  headers: fc.option(
    fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'ключ').map((name) => Buffer.from(name)), value: bytes }), {
      selector: ({ name }) => name.toString(),
    }),
    { nil: undefined },
  ),
});

test('any messages are read back as they were written', (t) => {
  const writer = new RecordBatchWriter(1 << 20);
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 150 }), (messages) => {
      for (const one of messages) if (!append(writer, one)) throw new Error('no room');
      const size = writer.bytes;
      const written = writer.take();
      assert.deepEqual(
        read(written).map(({ offset, timestamp, key, value, headers }) => [offset, timestamp, key, value, Object.entries(headers)]),
        messages.map(({ key, value, timestampMs, headers = [] }, i) => [
          String(i),
          String(timestampMs),
          key,
          value,
          headers.map((header) => [header.name.toString(), header.value]),
        ]),
      );
      t.is(written.maxTimestampMs, Math.max(...messages.map(({ timestampMs }) => timestampMs)));
      t.is(size, 61 + written.records.length);
      t.deepEqual([writer.recordCount, writer.bytes], [0, 61]);
    }),
    { numRuns: 50 },
  );
});

test('a batch is full before it is larger than it may be, and says so without writing', (t) => {
  const writer = new RecordBatchWriter(1000);
  const one = { key: null, value: Buffer.alloc(90, 'x'), timestampMs: 1_700_000_000_000 };
  while (append(writer, one));
  t.true(writer.bytes > 850 && writer.bytes <= 1000, `${writer.bytes} bytes`);
  const count = writer.recordCount;
  t.is(read(writer.take()).length, count);
  t.true(append(writer, one));
});

test('a message larger than a batch may be is a batch of its own', (t) => {
  const writer = new RecordBatchWriter(1000);
  const large = { key: null, value: Buffer.alloc(3_000_000, 'x'), timestampMs: 1_700_000_000_000 };
  const small = { ...large, value: Buffer.from('y') };
  t.true(append(writer, small));
  t.false(append(writer, large));
  t.is(read(writer.take()).length, 1);
  t.true(append(writer, large));
  t.false(append(writer, small));
  t.deepEqual(read(writer.take())[0]?.value, large.value);
  t.true(append(writer, large));
  writer.clear();
  t.true(append(writer, small));
  t.deepEqual(read(writer.take())[0]?.value, small.value);
});
