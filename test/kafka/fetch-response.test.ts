import test from 'ava';
import { readFetchResponse } from '../../src/kafka/fetch-response.ts';

const int16 = (value: number): Buffer => Buffer.from([(value >> 8) & 0xff, value & 0xff]);
const int32 = (value: number): Buffer => Buffer.from([(value >> 24) & 0xff, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff]);
const int64 = (value: number): Buffer => Buffer.concat([int32(0), int32(value)]);

/** One topic `t` with partition 2: high watermark 90, one aborted transaction, three bytes of records; by the protocol's text. */
function payload(version: number): Buffer {
  const session = version >= 7 ? [int16(0), int32(0)] : [];
  const offsets = version >= 5 ? [int64(90), int64(80), int64(10)] : [int64(90), int64(80)];
  const replica = version >= 11 ? [int32(-1)] : [];
  const partition = [int32(2), int16(6), ...offsets, int32(1), int64(77), int64(55), ...replica, int32(3), Buffer.from('abc')];
  return Buffer.concat([int32(1500), ...session, int32(1), int16(1), Buffer.from('t'), int32(1), ...partition]);
}

const versions = test.macro({
  exec: (t, version: number) => {
    const recordSet = Buffer.from('abc');
    const abortedTransactions = [{ producerId: 77n, firstOffset: 55 }];
    t.deepEqual(readFetchResponse(version, payload(version)), {
      throttleTimeMs: 1500,
      topics: [{ topic: 't', partitions: [{ partition: 2, errorCode: 6, highWatermark: 90, abortedTransactions, recordSet }] }],
    });
  },
  title: (_, version: number) => `a fetch answer of version ${version} is read`,
});

for (const version of [4, 5, 6, 7, 8, 9, 10, 11]) test(versions, version);

test('a fetch answer cut off anywhere is an error', (t) => {
  const whole = payload(11);
  for (let end = 0; end < whole.length; end += 1) {
    t.throws(() => readFetchResponse(11, whole.subarray(0, end)), { instanceOf: RangeError }, `cut at byte ${end}`);
  }
});

test('null arrays and null record sets are empty', (t) => {
  const partition = [int32(0), int16(0), int64(0), int64(0), int64(0), int32(-1), int32(-1), int32(-1)];
  const bytes = Buffer.concat([int32(0), int16(0), int32(0), int32(1), int16(1), Buffer.from('t'), int32(1), ...partition]);
  t.like(readFetchResponse(11, bytes).topics[0]?.partitions[0], { abortedTransactions: [], recordSet: Buffer.alloc(0) });
});
