import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { useSharedGateway } from '../helpers/gateway.ts';
import { uniqueName, useClickHouse, useDatabase } from '../helpers/index.ts';
import { untilCancelled, useKafkaTable } from './scenarios.ts';
import { installOnce } from '../parts/cache.ts';

const HERE = fileURLToPath(new URL('./python/', import.meta.url));

/** Python with the pinned packages, in a virtual environment of its own. */
async function usePython(): Promise<string> {
  const folder = await installOnce({
    name: 'python',
    files: [join(HERE, 'requirements.txt')],
    command: 'sh',
    args: ['-c', 'python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt'],
  });
  return join(folder, 'venv/bin/python');
}

const scenario = test.macro(async (t, name: string) => {
  const python = await usePython();
  const { httpPort } = await useSharedGateway(t);
  const database = await useDatabase(t);
  await t.notThrowsAsync(promisify(execFile)(python, [join(HERE, 'clickhouse_connect_test.py'), name, String(httpPort), database]));
});

test('clickhouse-connect inserts and selects in volume, in every compression', scenario, 'volume');
test('clickhouse-connect fills parameters and keeps a session', scenario, 'parameters_and_session');
test('clickhouse-connect sends an external table', scenario, 'external_table');
test('clickhouse-connect gets errors with their codes', scenario, 'errors');

test('clickhouse-connect creates a Kafka table, sees its rows arrive, and writes to it', async (t) => {
  const python = await usePython();
  const { database, gateway, engine } = await useKafkaTable(t);
  const args = ['kafka', String(gateway.httpPort), database, engine];
  await t.notThrowsAsync(promisify(execFile)(python, [join(HERE, 'clickhouse_connect_test.py'), ...args]));
});

test('clickhouse-connect is stopped in the middle of a result', async (t) => {
  const python = await usePython();
  const { httpPort } = await useSharedGateway(t);
  const queryId = uniqueName(t, 'query');
  const running = spawn(python, [join(HERE, 'clickhouse_connect_test.py'), 'cancellation', String(httpPort), 'default', queryId]);
  t.teardown(() => running.kill('SIGKILL'));
  await once(running.stdout, 'data');
  running.kill('SIGKILL');
  await untilCancelled(t, await useClickHouse(t), queryId);
});
