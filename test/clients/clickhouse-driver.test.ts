import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { useSharedGateway } from '../helpers/gateway.ts';
import { useDatabase } from '../helpers/index.ts';
import { useKafkaTable } from './scenarios.ts';
import { usePythonDriver } from './python/driver.ts';

const HERE = fileURLToPath(new URL('./python/', import.meta.url));

const scenario = test.macro(async (t, name: string) => {
  const python = await usePythonDriver();
  const { nativePort } = await useSharedGateway(t);
  const database = await useDatabase(t);
  await t.notThrowsAsync(promisify(execFile)(python, [join(HERE, 'clickhouse_driver_test.py'), name, String(nativePort), database]));
});

test('clickhouse-driver inserts and selects in volume, in every compression', scenario, 'volume');
test('clickhouse-driver fills parameters and sends settings', scenario, 'parameters');
test('clickhouse-driver sends an external table', scenario, 'external_table');
test('clickhouse-driver gets errors with their codes', scenario, 'failures');
test('clickhouse-driver cancels a query', scenario, 'cancellation');

test('clickhouse-driver creates a Kafka table, sees its rows arrive, and writes to it', async (t) => {
  const python = await usePythonDriver();
  const { database, gateway, engine } = await useKafkaTable(t);
  const args = ['kafka', String(gateway.nativePort), database, engine];
  await t.notThrowsAsync(promisify(execFile)(python, [join(HERE, 'clickhouse_driver_test.py'), ...args]));
});
