import test, { type ExecutionContext } from 'ava';
import type { CompressionName, OpenTransaction, TransactionalProducer } from '../../src/kafka/index.ts';
import { uniqueName, useKafka, useTopic, waitFor } from '../helpers/index.ts';
import { readWithLibrdkafka, writtenOffsets } from './librdkafka/client.ts';
import { createProducer, failureOf, NOW_MS, openProducer, sendAll, visibleMessages } from './open-producer.ts';

async function commit(transaction: OpenTransaction, topic: string, offset = 1n, metadata = ''): Promise<void> {
  await transaction.commit({ groupId: `${topic}_group`, topic, partition: 0, offset, metadata });
}

async function committed(producer: TransactionalProducer, topic: string): Promise<readonly [bigint, string]> {
  const { offset, metadata } = await producer.committed({ groupId: `${topic}_group`, topic, partition: 0 });
  return [offset, metadata];
}

test('messages arrive with key, value, headers and timestamp, null and empty ones told apart', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const transaction = (await openProducer(t, kafka, topic)).begin();
  await sendAll(transaction, topic, 0, [
    {
      key: 'k',
      value: 'v',
      headers: [
        ['name', 'a'],
        ['name', 'b'],
        ['empty', ''],
      ],
    },
    { key: '', value: '', timestampMs: NOW_MS + 4_000_000_000 },
    { key: null, value: null, timestampMs: NOW_MS - 4_000_000_000 },
    { key: 'ключ', value: 'x'.repeat(10_000), timestampMs: NOW_MS + 1 },
  ]);
  await commit(transaction, topic);
  const messages = await readWithLibrdkafka(kafka, topic, 1, 4);
  t.deepEqual(
    messages.map(({ key, value, timestampMs, headers }) => [
      key?.toString() ?? null,
      value?.toString() ?? null,
      timestampMs - NOW_MS,
      headers.map(([name, of]) => [name, of?.toString()]),
    ]),
    [
      [
        'k',
        'v',
        0,
        [
          ['name', 'a'],
          ['name', 'b'],
          ['empty', ''],
        ],
      ],
      ['', '', 4_000_000_000, []],
      [null, null, -4_000_000_000, []],
      ['ключ', 'x'.repeat(10_000), 1, []],
    ],
  );
});

test('nothing is seen before the commit, and then the messages together with the offset and its metadata', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 3)];
  const producer = await openProducer(t, kafka, topic);
  t.deepEqual(await committed(producer, topic), [-1n, '']);
  const transaction = producer.begin();
  for (const partition of [0, 1, 2]) await sendAll(transaction, topic, partition, ['a', 'b']);
  await waitFor(async () => (await writtenOffsets(kafka, topic, 3)).every((offset) => offset === 2));
  t.is(await visibleMessages(kafka, topic), 0);
  t.deepEqual(await committed(producer, topic), [-1n, '']);
  await commit(transaction, topic, 7n, 'sluice: part');
  await waitFor(async () => (await visibleMessages(kafka, topic)) === 6);
  await waitFor(async () => (await committed(producer, topic))[0] === 7n);
  t.deepEqual(await committed(producer, topic), [7n, 'sluice: part']);
});

test('of an aborted transaction nothing is ever seen, and the next one of the same producer is', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const producer = await openProducer(t, kafka, topic);
  for (const round of [1, 2, 3]) {
    const aborted = producer.begin();
    await sendAll(aborted, topic, 0, ['aborted']);
    await waitFor(async () => (await writtenOffsets(kafka, topic))[0] === 4 * round - 3);
    await aborted.abort();
    const kept = producer.begin();
    await sendAll(kept, topic, 0, ['kept']);
    await commit(kept, topic, BigInt(round));
    await waitFor(async () => (await committed(producer, topic))[0] === BigInt(round));
  }
  const messages = await readWithLibrdkafka(kafka, topic, 1, 3);
  t.deepEqual(
    messages.map(({ value }) => value?.toString()),
    ['kept', 'kept', 'kept'],
  );
  t.is(await visibleMessages(kafka, topic), 3);
});

test('an offset alone is committed, and an empty transaction aborted', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const producer = await openProducer(t, kafka, topic);
  await producer.begin().abort();
  await commit(producer.begin(), topic, 3n, 'nothing');
  await waitFor(async () => (await committed(producer, topic))[0] === 3n);
  t.is(await visibleMessages(kafka, topic), 0);
});

test('a second producer of the same id fences the first, whose transaction is gone', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const first = await openProducer(t, kafka, topic);
  const before = first.begin();
  await sendAll(before, topic, 0, ['before']);
  await commit(before, topic, 1n, 'first');
  const left = first.begin();
  await sendAll(left, topic, 0, ['left']);
  const second = await openProducer(t, kafka, topic);
  t.deepEqual(await committed(second, topic), [1n, 'first']);
  t.is((await failureOf(t, commit(left, topic, 2n))).kind, 'fenced');
  await left.abort();
  t.throws(() => first.begin(), { message: /^Broker: Producer attempted an operation with an old epoch/ });
  const next = second.begin();
  await sendAll(next, topic, 0, ['next']);
  await commit(next, topic, 2n, 'second');
  await waitFor(async () => (await visibleMessages(kafka, topic)) === 2);
  t.deepEqual(await committed(await openProducer(t, kafka, topic), topic), [2n, 'second']);
});

test('a fenced producer cannot send either', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const first = await openProducer(t, kafka, topic);
  await openProducer(t, kafka, topic);
  const transaction = first.begin();
  const failure = await failureOf(
    t,
    sendAll(transaction, topic, 0, ['late']).then(async () => commit(transaction, topic)),
  );
  t.is(failure.kind, 'fenced');
  t.is(await visibleMessages(kafka, topic), 0);
});

test('what a producer that vanished left open is aborted when the next one opens', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const transaction = (await openProducer(t, kafka, topic)).begin();
  await sendAll(transaction, topic, 0, ['half']);
  await waitFor(async () => (await writtenOffsets(kafka, topic))[0] === 1);
  const next = await openProducer(t, kafka, topic);
  t.deepEqual(await committed(next, topic), [-1n, '']);
  const again = next.begin();
  await sendAll(again, topic, 0, ['whole', 'part']);
  await commit(again, topic);
  const messages = await readWithLibrdkafka(kafka, topic, 1, 2);
  t.deepEqual(
    messages.map(({ value }) => value?.toString()),
    ['whole', 'part'],
  );
});

const codec = test.macro({
  exec: async (t: ExecutionContext, name: CompressionName, level?: number) => {
    const [kafka, topic] = [await useKafka(t), await useTopic(t, 2)];
    const compression = level === undefined ? { codec: name } : { codec: name, level };
    const transaction = (await openProducer(t, kafka, topic, { compression })).begin();
    const values = Array.from({ length: 5000 }, (_, i) => `{"id":${i},"text":"${'text '.repeat(i % 7)}"}`);
    for (const partition of [0, 1]) await sendAll(transaction, topic, partition, values, 50_000);
    await commit(transaction, topic);
    const messages = await readWithLibrdkafka(kafka, topic, 2, 10_000);
    for (const partition of [0, 1]) {
      t.deepEqual(
        messages.filter((message) => message.partition === partition).map(({ value }) => value?.toString()),
        values,
      );
    }
    t.is(await visibleMessages(kafka, topic), 10_000);
  },
  title: (_, name: string, level?: number) =>
    `messages compressed with ${name}${level === undefined ? '' : ` at level ${level}`} are read by librdkafka and by ourselves`,
});

test(codec, 'none');
test(codec, 'gzip');
test(codec, 'gzip', 1);
test(codec, 'snappy');
test(codec, 'lz4');
test(codec, 'zstd');
test(codec, 'zstd', 9);

test('a broker that recompresses reads every codec, too', async (t) => {
  const kafka = await useKafka(t);
  for (const name of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const topic = await useTopic(t, 1, { 'compression.type': name === 'gzip' ? 'lz4' : 'gzip' });
    const transaction = (await openProducer(t, kafka, topic, { compression: { codec: name } })).begin();
    await sendAll(
      transaction,
      topic,
      0,
      Array.from({ length: 3000 }, (_, i) => `message ${i}`),
    );
    await commit(transaction, topic);
    await waitFor(async () => (await visibleMessages(kafka, topic)) === 3000);
  }
  t.pass();
});

test('200,000 messages over four partitions keep their order within each partition', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 4)];
  const transaction = (await openProducer(t, kafka, topic, { compression: { codec: 'lz4' } })).begin();
  for (let from = 0; from < 50_000; from += 5000) {
    const values = Array.from({ length: 5000 }, (_, i) => String(from + i));
    await Promise.all([0, 1, 2, 3].map(async (partition) => sendAll(transaction, topic, partition, values, 20_000)));
  }
  await commit(transaction, topic);
  const messages = await readWithLibrdkafka(kafka, topic, 4, 200_000);
  const next = [0, 0, 0, 0];
  const inOrder = messages.every(({ partition, value }) => {
    const expected = String(next[partition]);
    next[partition] = (next[partition] ?? 0) + 1;
    return value?.toString() === expected;
  });
  t.true(inOrder);
  t.deepEqual(next, [50_000, 50_000, 50_000, 50_000]);
});

test('a message too large for the topic is told with its partition, and nothing of its transaction is seen', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 2, { 'max.message.bytes': '5000' })];
  const producer = await openProducer(t, kafka, topic);
  const transaction = producer.begin();
  await sendAll(transaction, topic, 0, ['small']);
  const failure = await failureOf(
    t,
    sendAll(transaction, topic, 1, ['x'.repeat(6000)]).then(async () => commit(transaction, topic)),
  );
  t.log(failure.message);
  t.like(failure, { kind: 'too-large', topic, partition: 1, recordCount: 1 });
  t.regex(failure.message, /^Broker: Message size too large \(topic topic_.*, partition 1\)/);
  await transaction.abort();
  const next = (await openProducer(t, kafka, topic)).begin();
  await sendAll(next, topic, 0, ['small']);
  await commit(next, topic);
  await waitFor(async () => (await visibleMessages(kafka, topic)) === 1);
});

test('a batch too large for the topic tells how many messages it had, so that smaller ones can be tried', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 1, { 'max.message.bytes': '5000' })];
  const values = Array.from({ length: 90 }, () => 'x'.repeat(100));
  const transaction = (await openProducer(t, kafka, topic)).begin();
  const failure = await failureOf(
    t,
    sendAll(transaction, topic, 0, values, 20_000).then(async () => commit(transaction, topic)),
  );
  t.like(failure, { kind: 'too-large', recordCount: 90 });
  const next = (await openProducer(t, kafka, topic)).begin();
  await sendAll(next, topic, 0, values, 4000);
  await commit(next, topic);
  await waitFor(async () => (await visibleMessages(kafka, topic)) === 90);
});

test('a compacted topic takes no message without key, and says why', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 1, { 'cleanup.policy': 'compact' })];
  const transaction = (await openProducer(t, kafka, topic)).begin();
  const failure = await failureOf(
    t,
    sendAll(transaction, topic, 0, ['no key']).then(async () => commit(transaction, topic)),
  );
  t.log(failure.message);
  t.like(failure, { kind: 'rejected', partition: 0 });
});

test('a topic that does not exist is told as unknown, within a few seconds', async (t) => {
  const kafka = await useKafka(t);
  const topic = uniqueName(t, 'absent');
  const producer = await openProducer(t, kafka, topic);
  const startedAt = Date.now();
  const failure = await failureOf(t, producer.partitionCount(topic));
  t.like(failure, { kind: 'unknown-topic', message: 'Broker: Unknown topic or partition' });
  t.true(Date.now() - startedAt < 10_000);
  const transaction = producer.begin();
  t.is((await failureOf(t, sendAll(transaction, topic, 0, ['a']))).kind, 'unknown-topic');
});

test('a partition that the topic does not have is unknown', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const transaction = (await openProducer(t, kafka, topic)).begin();
  const failure = await failureOf(
    t,
    sendAll(transaction, topic, 5, ['a']).then(async () => commit(transaction, topic)),
  );
  t.like(failure, { kind: 'unknown-topic' });
});

test('partitions that were added are counted within seconds', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 2)];
  const producer = await openProducer(t, kafka, topic);
  t.is(await producer.partitionCount(topic), 2);
  await kafka.addPartitions(topic, 3);
  await waitFor(async () => (await producer.partitionCount(topic)) === 3);
  const transaction = producer.begin();
  await sendAll(transaction, topic, 2, ['new']);
  await commit(transaction, topic);
  // Readers see a transaction's messages a moment after its producer was told that they are committed.
  await waitFor(async () => (await kafka.endOffsets(topic))[2]?.high === 2n);
});

test('a transaction time-out longer than the broker allows cannot work', async (t) => {
  const kafka = await useKafka(t);
  const producer = createProducer(t, kafka, uniqueName(t, 'id'), { transactionTimeoutMs: 2_000_000_000 });
  const failure = await failureOf(t, producer.open());
  t.is(failure.kind, 'unsupported');
  t.regex(failure.message, /^Broker: Transaction timeout is larger/);
});

test('a transaction that the broker aborted for its age is retriable, not fenced', async (t) => {
  const kafka = await useKafka(t);
  const topic = await useTopic(t);
  const producer = await openProducer(t, kafka, topic, { transactionTimeoutMs: 1000 });
  const transaction = producer.begin();
  await sendAll(transaction, topic, 0, ['old']);
  // The broker looks for old transactions every ten seconds; its mark takes the second offset.
  await waitFor(async () => (await kafka.endOffsets(topic))[0]?.high === 2n);
  t.is((await failureOf(t, commit(transaction, topic))).kind, 'retriable');
  t.is(await visibleMessages(kafka, topic), 0);
});
