import { isDeepStrictEqual } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import kafkajs from 'kafkajs';
import { silentLogger } from '../../src/logger.ts';
import { TopicWatch, type FetchControl } from '../../src/kafka/index.ts';
import { uniqueName, useKafka, useTopic, waitFor } from '../helpers/index.ts';
import { createConsumer, openConsumer } from './open-consumer.ts';

test.before(async () => {
  await useKafka();
});

async function committed(t: ExecutionContext, group: string): Promise<string[]> {
  const offsets = await (await useKafka(t)).groupOffsets(group);
  return offsets.map(({ partition, offset, metadata }) => `${partition}: ${offset} '${metadata}'`).sort();
}

function openWatch(t: ExecutionContext, brokers: string): TopicWatch {
  const watch = new TopicWatch({ brokers: [brokers], clientId: 'sluice-test', security: {} }, silentLogger());
  t.teardown(() => watch.close());
  return watch;
}

function at(topic: string, partition = 0): { topic: string; partition: number } {
  return { topic, partition };
}

test('a group without offsets reads a topic from its beginning, and is told where it stands', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a', 'b', 'c']);
  const { records, fetches, assignments, consumer } = await openConsumer(t, { topics: [topic], groupId: topic });
  t.deepEqual(assignments, [[at(topic)]]);
  t.true(consumer.isAssigned(at(topic)));
  t.false(consumer.isAssigned(at(topic, 1)));
  t.regex(consumer.memberId, /^sluice-test-/);
  await waitFor(() => records.length === 3);
  t.deepEqual(records, ['0:0=a', '0:1=b', '0:2=c']);
  t.like(fetches[0], { topic, partition: 0, fromOffset: 0, nextOffset: 3, highWatermark: 3 });
});

test('the next member continues where the last one committed, and the metadata is kept', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a', 'b', 'c']);
  const first = await openConsumer(t, { topics: [topic], groupId: topic });
  await waitFor(() => first.records.length === 3);
  await first.consumer.commit([{ ...at(topic), offset: 2n, metadata: 'batch 17: a, b – ü' }]);
  await first.consumer.stop();
  t.deepEqual(await committed(t, topic), ["0: 2 'batch 17: a, b – ü'"]);
  const second = await openConsumer(t, { topics: [topic], groupId: topic });
  await waitFor(() => second.records.length > 0);
  t.deepEqual(second.records, ['0:2=c']);
});

test('nothing is committed unless asked, not even at the end', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a']);
  const { records, consumer } = await openConsumer(t, { topics: [topic], groupId: topic });
  await waitFor(() => records.length === 1);
  await consumer.stop();
  t.deepEqual(await committed(t, topic), []);
});

test('the position is the one that the handler answers', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a', 'b', 'c']);
  const { records } = await openConsumer(t, {
    topics: [topic],
    groupId: topic,
    take: async ({ fromOffset }) => Promise.resolve(fromOffset + 1),
  });
  await waitFor(() => records.length === 6);
  t.deepEqual(records, ['0:0=a', '0:1=b', '0:2=c', '0:1=b', '0:2=c', '0:2=c']);
});

test('commits are refused outside of the group, and may be for partitions of another member', async (t) => {
  const topic = await useTopic(t, 2);
  const { consumer } = await createConsumer(t, { topics: [topic], groupId: topic });
  const message = 'cannot commit offsets: the consumer is not a member of the group';
  await t.throwsAsync(consumer.commit([{ ...at(topic), offset: 1n }]), { message });
  await consumer.start();
  await consumer.commit([]);
  const { consumer: other } = await createConsumer(t, { topics: [topic], groupId: topic });
  await other.start();
  await waitFor(() => other.generationId !== undefined && other.generationId === consumer.generationId);
  await consumer.commit([
    { ...at(topic, 0), offset: 1n, metadata: 'one' },
    { ...at(topic, 1), offset: 2n, metadata: 'two' },
  ]);
  await consumer.stop();
  await t.throwsAsync(consumer.commit([{ ...at(topic), offset: 3n }]), { message });
  t.deepEqual((await committed(t, topic)).length, 2);
});

test('metadata that is too long for the broker is an error, not a silent loss', async (t) => {
  const topic = await useTopic(t);
  const { consumer } = await openConsumer(t, { topics: [topic], groupId: topic });
  const commit = consumer.commit([{ ...at(topic), offset: 0n, metadata: 'x'.repeat(5000) }]);
  await t.throwsAsync(commit, { name: 'KafkaError', message: 'Broker: Offset metadata string too large' });
});

test('two members share the partitions, and one that leaves is replaced within two seconds', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 4)];
  const options = { topics: [topic], groupId: topic, commits: true };
  const first = await openConsumer(t, options);
  const second = await openConsumer(t, options);
  const owned = ({ assignments }: typeof first): number[] => (assignments.at(-1) ?? []).map(({ partition }) => partition).sort();
  await waitFor(() => owned(first).length === 2 && owned(second).length === 2);
  t.deepEqual([...owned(first), ...owned(second)].sort(), [0, 1, 2, 3]);
  await kafka.produce(
    topic,
    Array.from({ length: 40 }, (_, index) => ({ value: `${index}`, partition: index % 4 })),
  );
  await waitFor(() => first.records.length + second.records.length === 40);
  await waitFor(async () =>
    isDeepStrictEqual(
      await committed(t, topic),
      [0, 1, 2, 3].map((partition) => `${partition}: 10 ''`),
    ),
  );

  const leftAt = Date.now();
  await second.consumer.stop();
  await waitFor(() => owned(first).length === 4);
  t.true(Date.now() - leftAt < 2000, `took ${Date.now() - leftAt} ms`);
  t.is(first.records.length + second.records.length, 40);
});

test('several topics of one partition spread over the members', async (t) => {
  const topics = [await useTopic(t), await useTopic(t), await useTopic(t)];
  const options = { topics, groupId: uniqueName(t, 'group') };
  const members = await Promise.all([1, 2, 3].map(async () => openConsumer(t, options)));
  await waitFor(() => members.every(({ assignments }) => assignments.at(-1)?.length === 1));
  t.pass();
});

test('members with different topics in one group get their own only', async (t) => {
  const topics = [await useTopic(t), await useTopic(t)] as const;
  const groupId = uniqueName(t, 'group');
  const members = await Promise.all(topics.map(async (topic) => openConsumer(t, { topics: [topic], groupId })));
  await waitFor(async () => (await (await useKafka(t)).groupMembers(groupId)).length === 2);
  await waitFor(() => members.every(({ assignments }, index) => assignments.at(-1)?.every(({ topic }) => topic === topics[index])));
  await waitFor(() => members.every(({ assignments }) => assignments.at(-1)?.length === 1));
  t.pass();
});

test('new partitions of a topic are read from their beginning', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const { records, crashes } = await openConsumer(t, { topics: [topic], groupId: topic });
  await kafka.addPartitions(topic, 2);
  await kafka.produce(topic, [{ value: 'new', partition: 1 }]);
  await waitFor(() => records.length + crashes.length > 0);
  t.deepEqual([records, crashes], [['1:0=new'], []]);
});

test('seek moves the next fetch, and what is left of this one is stale', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a', 'b', 'c']);
  const stale: boolean[] = [];
  const { records } = await openConsumer(t, {
    topics: [topic],
    groupId: topic,
    take: async (fetched, control, consumer) => {
      stale.push(control.isStale());
      if (stale.length === 1) consumer.seek(at(topic), 1n);
      stale.push(control.isStale());
      return Promise.resolve(fetched.nextOffset);
    },
  });
  await waitFor(() => records.length === 5);
  t.deepEqual(records, ['0:0=a', '0:1=b', '0:2=c', '0:1=b', '0:2=c']);
  t.deepEqual(stale, [false, true, false, false]);
});

test('a seek that the group overtakes does not skip what was never committed', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 2)];
  await kafka.produce(topic, [
    { value: 'a', partition: 0 },
    { value: 'b', partition: 0 },
  ]);
  let isSought = false;
  const first = await openConsumer(t, {
    topics: [topic],
    groupId: topic,
    take: async ({ nextOffset }, control, consumer) => {
      if (isSought) return nextOffset;
      isSought = true;
      consumer.seek(at(topic), 2n);
      // The group rebalances before the next fetch could use the seek.
      await waitFor(async () =>
        control.heartbeat().then(
          () => false,
          () => true,
        ),
      );
      await control.heartbeat();
      return nextOffset;
    },
  });
  await waitFor(() => isSought);
  const second = await openConsumer(t, { topics: [topic], groupId: topic });
  await waitFor(() => first.records.length + second.records.length >= 4);
  t.deepEqual([...first.records, ...second.records], ['0:0=a', '0:1=b', '0:0=a', '0:1=b']);
});

test('a paused partition brings nothing, the others go on, and resume brings the rest', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 2)];
  const { consumer, records } = await openConsumer(t, { topics: [topic], groupId: topic });
  consumer.pause([at(topic, 0)]);
  await kafka.produce(topic, [{ value: 'a', partition: 0 }]);
  for (const value of ['b', 'c', 'd']) {
    await kafka.produce(topic, [{ value, partition: 1 }]);
    await waitFor(() => records.at(-1)?.endsWith(value));
  }
  t.deepEqual(records, ['1:0=b', '1:1=c', '1:2=d']);
  consumer.resume([at(topic, 0)]);
  await waitFor(() => records.length === 4);
  t.is(records[3], '0:0=a');
});

test('a rebalance reads again what was not committed', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 2)];
  await kafka.produce(topic, [
    { value: 'a', partition: 0 },
    { value: 'b', partition: 1 },
  ]);
  const first = await openConsumer(t, { topics: [topic], groupId: topic });
  await waitFor(() => first.records.length === 2);
  const second = await openConsumer(t, { topics: [topic], groupId: topic });
  await waitFor(() => first.records.length + second.records.length === 4);
  t.deepEqual([...first.records, ...second.records].sort(), ['0:0=a', '0:0=a', '1:0=b', '1:0=b']);
});

test('a handler that throws sees the same fetch again', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a']);
  let calls = 0;
  const take = async ({ nextOffset }: { nextOffset: number }): Promise<number> => {
    calls += 1;
    return calls < 3 ? Promise.reject(new Error('not now')) : Promise.resolve(nextOffset);
  };
  const { records, crashes } = await openConsumer(t, { topics: [topic], groupId: topic, take });
  await waitFor(() => calls === 3);
  t.deepEqual(records, ['0:0=a', '0:0=a', '0:0=a']);
  t.deepEqual(crashes, []);
});

test('records that a handler gives up half-way stay as they were', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a', 'b']);
  const { fetches, records } = await openConsumer(t, {
    topics: [topic],
    groupId: topic,
    take: async ({ fromOffset }) => Promise.resolve(fromOffset + 1),
  });
  await waitFor(() => records.length === 3);
  const first = Buffer.from(fetches[0]?.batches[0]?.records ?? []);
  await kafka.produce(topic, ['xxxxxxxx', 'yyyyyyyy']);
  await waitFor(() => records.length === 6);
  t.deepEqual(fetches[0]?.batches[0]?.records, first);
});

for (const compression of ['gzip', 'snappy', 'lz4', 'zstd']) {
  test(`a topic that the broker keeps compressed with ${compression} is read`, async (t) => {
    const [kafka, topic] = [await useKafka(t), await useTopic(t, 1, { 'compression.type': compression })];
    const values = Array.from({ length: 5000 }, (_, index) => `value ${index} ${'x'.repeat(index % 100)}`);
    await kafka.produce(topic, values);
    const { records } = await openConsumer(t, { topics: [topic], groupId: topic });
    await waitFor(() => records.length === values.length);
    t.deepEqual(
      records,
      values.map((value, offset) => `0:${offset}=${value}`),
    );
  });
}

test('a message larger than the fetch limits is read', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 1, { 'max.message.bytes': '5000000' })];
  await kafka.produce(topic, ['y'.repeat(3_000_000), 'small']);
  const { fetches, records } = await openConsumer(t, { topics: [topic], groupId: topic, maxBytesPerPartition: 1000, maxBytes: 1000 });
  await waitFor(() => records.length === 2);
  t.is(fetches.at(-1)?.nextOffset, 2);
});

test('committed transactions are read, aborted ones are not, and the position reaches the end of the topic', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const [one, two] = [await transactional(t), await transactional(t)];
  // Interleaved: `one` begins first and aborts last, `two` aborts in between, then both do it the other way round.
  const first = await one.transaction();
  await first.send({ topic, messages: [{ value: 'one, aborted' }] });
  const second = await two.transaction();
  await second.send({ topic, messages: [{ value: 'two, aborted' }] });
  await kafka.produce(topic, ['plain']);
  await second.abort();
  await first.send({ topic, messages: [{ value: 'one, aborted as well' }] });
  const third = await two.transaction();
  await third.send({ topic, messages: [{ value: 'two, committed' }] });
  await first.abort();
  await third.commit();
  const fourth = await one.transaction();
  await fourth.send({ topic, messages: [{ value: 'one, committed' }] });
  await fourth.commit();
  const fifth = await one.transaction();
  await fifth.send({ topic, messages: [{ value: 'one, aborted at the end' }] });
  await fifth.abort();

  const { records, fetches } = await openConsumer(t, { topics: [topic], groupId: topic, commits: true });
  const [end] = await kafka.endOffsets(topic);
  await waitFor(async () => (await committed(t, topic))[0] === `0: ${end?.high} ''`);
  t.deepEqual(
    records.map((record) => record.replace(/^.*=/, '')),
    ['plain', 'two, committed', 'one, committed'],
  );
  t.is(fetches.at(-1)?.nextOffset, Number(end?.high));
});

test('a fetch of nothing but an aborted transaction moves the position, too', async (t) => {
  const topic = await useTopic(t);
  const { fetches, records } = await openConsumer(t, { topics: [topic], groupId: topic });
  const producer = await transactional(t);
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ value: 'never' }] });
  await transaction.abort();
  await waitFor(() => fetches.at(-1)?.nextOffset === 2);
  t.deepEqual(records, []);
  t.deepEqual(
    fetches.flatMap(({ batches }) => batches),
    [],
  );
});

async function transactional(t: ExecutionContext) {
  const producer = await (await useKafka(t)).producer({ transactionalId: uniqueName(t, 'tx'), idempotent: true, maxInFlightRequests: 1 });
  t.teardown(async () => producer.disconnect());
  return producer;
}

test('offsets that the broker has deleted restart at the earliest, are reported, and are left as they were committed', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 2)];
  await kafka.produce(
    topic,
    ['a', 'b', 'c', 'd'].map((value) => ({ value, partition: 0 })),
  );
  const first = await openConsumer(t, { topics: [topic], groupId: topic });
  await waitFor(() => first.records.length === 4);
  await first.consumer.commit([{ ...at(topic), offset: 1n, metadata: 'an intent' }]);
  await first.consumer.stop();
  await deleteRecordsBefore(t, topic, '2');

  const second = await openConsumer(t, { topics: [topic], groupId: topic });
  await waitFor(() => second.records.length === 2);
  t.deepEqual(second.resets, ['0: 1 → 2']);
  t.deepEqual(second.records, ['0:2=c', '0:3=d']);
  t.deepEqual(await committed(t, topic), ["0: 1 'an intent'"]);
  await kafka.produce(topic, [
    { value: 'e', partition: 1 },
    { value: 'f', partition: 0 },
  ]);
  await waitFor(() => second.records.length === 4);
  t.deepEqual(second.resets.length, 1);
});

async function deleteRecordsBefore(t: ExecutionContext, topic: string, offset: string): Promise<void> {
  const { brokers } = await useKafka(t);
  const admin = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  // Loads the topic's leaders, which the deletion takes for known.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
  await admin.disconnect();
}

test('an offset behind the end of the topic restarts at the earliest', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a']);
  const { consumer, records, resets } = await openConsumer(t, { topics: [topic], groupId: topic });
  await waitFor(() => records.length === 1);
  consumer.seek(at(topic), 100n);
  await waitFor(() => records.length === 2);
  t.deepEqual(resets, ['0: 100 → 0']);
});

test('stop leaves the group at once although a handler never ends, and tells it so', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a']);
  let seen: FetchControl | undefined;
  const { consumer, records } = await openConsumer(t, {
    topics: [topic],
    groupId: topic,
    take: async (_, control) => {
      seen = control;
      return new Promise(() => undefined);
    },
  });
  await waitFor(() => records.length === 1);
  t.true(seen?.isRunning());
  const stopped = consumer.stop();
  t.false(seen?.isRunning());
  const startedAt = Date.now();
  await waitFor(async () => (await kafka.groupMembers(topic)).length === 0);
  t.true(Date.now() - startedAt < 2000);
  await stopped;
  await consumer.stop();
  t.true(Date.now() - startedAt < 6000);
});

test('a consumer that stops while the group does not let it in yet leaves no member behind', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a']);
  // It sends no heartbeat, so it does not hear that it has to join again, and the second one waits for it.
  const first = await openConsumer(t, { topics: [topic], groupId: topic, take: async () => new Promise(() => undefined) });
  await waitFor(() => first.records.length === 1);
  const second = await createConsumer(t, { topics: [topic], groupId: topic });
  const started = t.throwsAsync(second.consumer.start());
  await waitFor(async () => (await kafka.groupState(topic)) === 'PreparingRebalance');
  const stoppedAt = Date.now();
  await second.consumer.stop();
  t.true(Date.now() - stoppedAt < 2000);
  await started;
  await first.consumer.stop();
  t.deepEqual(await kafka.groupMembers(topic), []);
});

test('members learn whether all consumers of their group have the same owner', async (t) => {
  const topic = await useTopic(t, 3);
  const group = { topics: [topic], groupId: topic };
  const first = await openConsumer(t, group);
  t.deepEqual(first.isSoleOwner, [true]);
  const second = await openConsumer(t, group);
  await waitFor(() => first.assignments.length === 2);
  t.deepEqual([first.isSoleOwner.at(-1), second.isSoleOwner.at(-1)], [true, true]);
  const other = await openConsumer(t, { ...group, ownerId: 'another' });
  await waitFor(() => first.assignments.length === 3 && second.assignments.length === 2);
  t.deepEqual([first.isSoleOwner.at(-1), second.isSoleOwner.at(-1), other.isSoleOwner.at(-1)], [false, false, false]);
});

test('stop during the start leaves no member behind', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const { consumer } = await createConsumer(t, { topics: [topic], groupId: topic });
  const started = consumer.start();
  await consumer.stop();
  await started.catch(() => undefined);
  t.deepEqual(await kafka.groupMembers(topic), []);
  await t.throwsAsync(consumer.start(), { message: 'a consumer starts once' });
});

test('a topic that does not exist stops the start by its name, and is not created', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t, 3)];
  const missing = uniqueName(t, 'missing');
  const { consumer, crashes } = await createConsumer(t, { topics: [topic, missing], groupId: topic });
  await t.throwsAsync(consumer.start(), { message: `Subscribed topic not available: ${missing}: Broker: Unknown topic or partition` });
  t.deepEqual(crashes, []);
  const watch = openWatch(t, kafka.brokers);
  const found = await watch.look([missing, topic]);
  t.deepEqual([...found.keys()], [topic]);
  t.is(found.get(topic)?.partitions, 3);
  t.deepEqual(await watch.look([missing, topic]), found);
  await t.throwsAsync(watch.look(['a/b']), { message: 'Broker: Invalid topic' });
});

test('a broker that is not there fails the start in bounded time with a plain sentence', async (t) => {
  const { consumer, crashes } = await createConsumer(t, { brokers: ['127.0.0.1:1'], topics: ['t'], groupId: 'g' });
  const startedAt = Date.now();
  const message = 'Local: Broker transport failure: 127.0.0.1:1: Connection refused';
  await t.throwsAsync(consumer.start(), { name: 'KafkaError', message });
  t.true(Date.now() - startedAt < 15_000);
  t.deepEqual(crashes, []);
  await t.throwsAsync(openWatch(t, '127.0.0.1:1').look(['t']), { name: 'KafkaError', message });
});

test('an empty group name is refused', async (t) => {
  await t.throwsAsync(createConsumer(t, { topics: ['t'], groupId: '' }), { message: /groupId/ });
});
