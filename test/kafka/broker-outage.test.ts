import test from 'ava';
import { uniqueName, useOwnKafka, waitFor } from '../helpers/index.ts';
import { openConsumer } from './open-consumer.ts';

test('a broker that goes away: stop is bounded, a running member dies once with a reason, a new one goes on after the restart', async (t) => {
  const kafka = await useOwnKafka(t);
  const topic = uniqueName(t, 'topic');
  await kafka.createTopic(topic);
  await kafka.produce(topic, ['a']);
  const options = { brokers: [kafka.brokers], topics: [topic] };
  const stopping = await openConsumer(t, { ...options, groupId: `${topic}_stopping` });
  const dying = await openConsumer(t, { ...options, groupId: `${topic}_dying` });
  await waitFor(() => stopping.records.length === 1 && dying.records.length === 1);
  await dying.consumer.commit([{ topic, partition: 0, offset: 1n }]);

  await kafka.kill();
  const startedAt = Date.now();
  await stopping.consumer.stop();
  t.true(Date.now() - startedAt < 6000, `stop took ${Date.now() - startedAt} ms`);
  await waitFor(() => dying.crashes.length > 0, { timeoutMs: 90_000 });
  t.log(`died after ${Date.now() - startedAt} ms: ${dying.crashes[0]?.message}`);
  t.regex(dying.crashes[0]?.message ?? '', /^Local: /);
  t.deepEqual(stopping.crashes, []);
  await dying.consumer.stop();

  await kafka.restart();
  await kafka.produce(topic, ['b']);
  const next = await openConsumer(t, { ...options, groupId: `${topic}_dying` });
  await waitFor(() => next.records.length > 0);
  t.deepEqual(next.records, ['0:1=b']);
  t.is(dying.crashes.length, 1);
});
