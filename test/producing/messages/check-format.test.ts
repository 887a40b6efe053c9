import test from 'ava';
import { createServiceClient } from '../../../src/clickhouse/index.ts';
import { checkFormat } from '../../../src/producing/messages/index.ts';
import { useDatabase } from '../../helpers/index.ts';
import { useClickHouse } from '../../helpers/servers.ts';
import { useOutbox } from '../../integration/produced-messages/both.ts';

test('a table whose messages would have no rows, or whose rows cannot be told apart, is refused', async (t) => {
  const client = createServiceClient({ url: (await useClickHouse(t)).url, user: 'default', password: '' });
  t.teardown(async () => client.close());
  const { table } = await useOutbox(t, { format: 'CSV', columns: 'a UInt8', inserts: [] }, await useDatabase(t));
  await t.notThrowsAsync(checkFormat(client, table));
  const withoutRows = { ...table, options: { ...table.options, write: { ...table.options.write, maxRowsPerMessage: 0 } } };
  await t.throwsAsync(checkFormat(client, withoutRows), { message: /BAD_ARGUMENTS/ });
  await t.throwsAsync(checkFormat(client, { ...table, columns: [{ name: '_part', type: 'String' }] }), { message: /NOT_IMPLEMENTED/ });
});
