import net from 'node:net';
import test from 'ava';
import { pino } from 'pino';
import { createTransactionalProducer, KafkaProduceError } from '../../src/kafka/index.ts';
import { freePort, uniqueName, useOwnKafka, waitFor } from '../helpers/index.ts';
import { readWithLibrdkafka } from './librdkafka/client.ts';
import { createProducer, failureOf, openProducer, sendAll, visibleMessages } from './open-producer.ts';

const at = (topic: string) => ({ groupId: `${topic}_group`, topic, partition: 0 });

test('opening fails within about ten seconds when no broker answers, whether it refuses or is silent', async (t) => {
  const silent = net.createServer().listen(0, '127.0.0.1');
  t.teardown(() => silent.close());
  await waitFor(() => silent.listening);
  const { port } = silent.address() as net.AddressInfo;
  for (const broker of [`127.0.0.1:${await freePort()}`, `127.0.0.1:${port}`]) {
    const startedAt = Date.now();
    const failure = await failureOf(t, createProducer(t, { brokers: broker }, uniqueName(t, 'id')).open());
    t.log(`${Date.now() - startedAt} ms: ${failure.message}`);
    t.is(failure.kind, 'retriable');
    t.regex(failure.message, /^Local: /);
    t.true(Date.now() - startedAt < 12_000);
  }
});

test('while a broker is away the log says so once a minute, however often it is tried', async (t) => {
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const options = { brokers: [`127.0.0.1:${await freePort()}`], clientId: 'sluice-test', security: {}, transactionTimeoutMs: 60_000 };
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const producer = createTransactionalProducer({ ...options, transactionalId: uniqueName(t, 'id') }, logger);
    await failureOf(t, producer.open());
    await producer.close();
  }
  const told = lines.filter((line) => line.includes('ECONNREFUSED')).map((line) => (JSON.parse(line) as { detail: string }).detail);
  t.true(told.length > 0);
  t.deepEqual(told, [...new Set(told)]);
});

test('a broker that is restarted in the middle: what is sent goes on, once and in order, or fails as retriable and goes on anew', async (t) => {
  const kafka = await useOwnKafka(t);
  const topic = uniqueName(t, 'topic');
  await kafka.createTopic(topic, 2);
  let producer = await openProducer(t, kafka, topic);
  const values = Array.from({ length: 40_000 }, (_, i) => String(i));
  const sendHalves = async (between: () => Promise<void>): Promise<void> => {
    const transaction = producer.begin();
    const [first, second] = [values.slice(0, 20_000), values.slice(20_000)];
    for (const partition of [0, 1]) await sendAll(transaction, topic, partition, first, 5000);
    const going = between();
    for (const partition of [0, 1]) await sendAll(transaction, topic, partition, second, 5000);
    await going;
    await transaction.commit({ ...at(topic), offset: 1n, metadata: 'done' });
  };
  try {
    await sendHalves(async () => kafka.restart());
    t.log('went on');
  } catch (error) {
    if (!(error instanceof KafkaProduceError)) throw error;
    t.log(error.message);
    t.true(['retriable', 'unknown-outcome'].includes(error.kind));
    await producer.close();
    await waitFor(async () => {
      producer = createProducer(t, kafka, topic);
      await producer.open();
      return true;
    });
    if ((await producer.committed(at(topic))).offset !== 1n) await sendHalves(() => Promise.resolve());
  }
  await waitFor(async () => (await producer.committed(at(topic))).offset === 1n);
  await waitFor(async () => (await visibleMessages(kafka, topic)) === 80_000);
  const messages = await readWithLibrdkafka(kafka, topic, 2, 80_000);
  for (const partition of [0, 1]) {
    t.deepEqual(
      messages.filter((message) => message.partition === partition).map(({ value }) => value?.toString()),
      values,
    );
  }
});

test('a broker that goes away: the transaction fails as retriable, closing is quick, and a new producer does it all again', async (t) => {
  const kafka = await useOwnKafka(t);
  const topic = uniqueName(t, 'topic');
  await kafka.createTopic(topic);
  const [sending, committing, idle] = await Promise.all(['sending', 'committing', 'idle'].map(async (id) => openProducer(t, kafka, id)));
  if (sending === undefined || committing === undefined || idle === undefined) throw new Error('there are three');
  const [sent, whole] = [sending.begin(), committing.begin()];
  await sendAll(sent, topic, 0, ['one']);
  await sendAll(whole, topic, 0, ['two']);

  await kafka.kill();
  const startedAt = Date.now();
  const endless = async (): Promise<void> => {
    for (;;) await sendAll(sent, topic, 0, ['x'.repeat(90_000)]);
  };
  const failures = await Promise.all([
    failureOf(t, endless()),
    failureOf(t, whole.commit({ ...at(topic), offset: 1n })),
    failureOf(t, idle.committed(at(topic))),
  ]);
  t.log(`${Date.now() - startedAt} ms: ${failures.map(({ kind, message }) => `${kind}: ${message}`).join('; ')}`);
  t.deepEqual(
    failures.map(({ kind }) => kind),
    ['retriable', 'retriable', 'retriable'],
  );
  t.true(Date.now() - startedAt < 40_000);
  const closedAt = Date.now();
  await Promise.all([sending, committing, idle].map(async (producer) => producer.close()));
  t.true(Date.now() - closedAt < 5000, `closing took ${Date.now() - closedAt} ms`);

  await kafka.restart();
  const next = await openProducer(t, kafka, 'sending');
  await openProducer(t, kafka, 'committing');
  const again = next.begin();
  await sendAll(again, topic, 0, ['one']);
  await again.commit({ ...at(topic), offset: 2n });
  await waitFor(async () => (await visibleMessages(kafka, topic)) === 1);
});
