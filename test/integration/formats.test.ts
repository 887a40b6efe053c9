import test, { type ExecutionContext } from 'ava';
import { readByBoth } from '../helpers/engines.ts';
import { uniqueName, useClickHouse, useRegistry } from '../helpers/index.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { messagesOf, type FormatCase } from './formats/case.ts';
import { avroConfluent, CASES } from './formats/cases.ts';

// Threads enough to run all native Kafka tables at once.
ownClickHouse({ configXml: '<background_message_broker_schedule_pool_size>32</background_message_broker_schedule_pool_size>' });

async function compare(t: ExecutionContext, one: FormatCase): Promise<void> {
  const { url } = await useClickHouse(t);
  const messages = await messagesOf(url, one);
  const { native, gateway } = await readByBoth(t, { ...one, messages, partitions: 2 });
  t.not(native.length, 0);
  t.deepEqual(gateway, native);
}

for (const [title, one] of Object.entries(CASES)) {
  test(`the real engine and the gateway read the same rows and virtual columns: ${title}`, compare, one);
}

test('the real engine and the gateway read the same rows and virtual columns: AvroConfluent', async (t) => {
  const registry = await useRegistry(t);
  await compare(t, avroConfluent(registry.url, uniqueName(t, 'subject')));
});

test('every input format of the server is compared', async (t) => {
  const clickHouse = await useClickHouse(t);
  const formats = await clickHouse.query('SELECT name FROM system.formats WHERE is_input ORDER BY name');
  const compared = new Set([...Object.values(CASES).map(({ format }) => format), 'AvroConfluent']);
  t.deepEqual(
    formats.split('\n').filter((format) => !compared.has(format)),
    [],
  );
});
