import test, { type ExecutionContext } from 'ava';
import { uniqueName, useKafka, useTopic, waitFor } from '../helpers/index.ts';
import { openConsumer } from './open-consumer.ts';

test.before(async () => {
  await useKafka();
});

/** Deletes the topic and makes it again with so many messages, `first` being the first one's value. */
async function makeAnew(t: ExecutionContext, topic: string, messages: number): Promise<void> {
  const kafka = await useKafka(t);
  await kafka.deleteTopic(topic);
  await waitFor(async () => kafka.createTopic(topic).then(() => true));
  await kafka.produce(
    topic,
    Array.from({ length: messages }, (_, i) => `new ${i}`),
  );
}

test('a consumer whose topic is made anew dies of it, and reads nothing of the new one at the old one’s offsets', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a', 'b', 'c']);
  const { records, crashes, resets } = await openConsumer(t, { topics: [topic], groupId: topic, commits: true });
  await waitFor(() => records.length === 3);
  await makeAnew(t, topic, 10);
  await waitFor(() => crashes.length > 0);
  t.is(crashes[0]?.message, `topic ${topic} was deleted and made anew`);
  t.deepEqual([records.length, resets], [3, []]);

  const next = await openConsumer(t, { topics: [topic], groupId: topic });
  await waitFor(() => next.records.length === 10);
  t.is(next.records[0], '0:0=new 0');
});

test('offsets of a deleted topic are not committed for the one that was made in its place', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  await kafka.produce(topic, ['a', 'b', 'c']);
  const committing = { isDue: false };
  const { consumer, records } = await openConsumer(t, {
    topics: [topic],
    groupId: topic,
    take: async () => {
      await waitFor(() => committing.isDue);
      await t.throwsAsync(consumer.commit([{ topic, partition: 0, offset: 3n }]), { message: `topic ${topic} was deleted and made anew` });
      committing.isDue = false;
      return 3;
    },
  });
  await waitFor(() => records.length === 3);
  await makeAnew(t, topic, 10);
  committing.isDue = true;
  await waitFor(() => !committing.isDue);
  t.deepEqual(await kafka.groupOffsets(topic), []);
});

test('a consumer whose topic is deleted dies of it', async (t) => {
  const [kafka, topic] = [await useKafka(t), uniqueName(t, 'topic')];
  await kafka.createTopic(topic);
  const { crashes } = await openConsumer(t, { topics: [topic], groupId: topic });
  await kafka.deleteTopic(topic);
  await waitFor(() => crashes.length > 0);
  t.is(crashes[0]?.message, 'Broker: Unknown topic or partition');
});
