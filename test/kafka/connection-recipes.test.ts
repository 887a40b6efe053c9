import { mkdirSync, readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { checkKafkaTable, NO_SOURCES, tableOptions } from '../../src/engine/index.ts';
import { checkProperties } from '../../src/kafka/index.ts';
import { parseStatement } from '../../src/sql/index.ts';
import { codeBlocks } from '../fixtures/markdown.ts';
import { useFolder } from '../helpers/index.ts';
import { Authority } from '../parts/authority.ts';

const RECIPES = codeBlocks(readFileSync('examples/connections/README.md', 'utf8'), 'sql');

async function ask(sql: string): Promise<never> {
  return Promise.reject(new Error(`a recipe must not need the server: ${sql}`));
}

test('every recipe of examples/connections is a Kafka table whose settings can work together', async (t) => {
  const filesFolder = await useFolder(t);
  const folder = join(filesFolder, 'aiven');
  mkdirSync(folder);
  const authority = await Authority.make(folder, 'ca');
  const { certFile, keyFile } = await authority.sign('service');
  await rename(certFile, join(folder, 'service.cert'));
  await rename(keyFile, join(folder, 'service.key'));
  t.is(RECIPES.length, 10);
  for (const sql of RECIPES) {
    const parsed = parseStatement(sql);
    if (!parsed.ok || parsed.statement.kind !== 'create-table') return t.fail(sql);
    const { settings } = await checkKafkaTable(parsed.statement, 'default', { ask, sources: { ...NO_SOURCES, filesFolder } });
    const table = { database: 'default', table: 'readings_queue', uuid: '' };
    const { properties, brokers } = await tableOptions(settings, table, ask, { filesFolder });
    t.notThrows(() => {
      checkProperties(properties.consumer, brokers);
    }, sql);
    t.true(Object.keys(properties.consumer).length >= 1, sql);
  }
});
