import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { useSharedGateway } from '../helpers/gateway.ts';
import { useDatabase } from '../helpers/index.ts';
import { useKafkaTable } from './scenarios.ts';
import { installOnce } from '../parts/cache.ts';

const HERE = fileURLToPath(new URL('./go/', import.meta.url));

/** The program below `go/`, built with its pinned modules. */
async function useProgram(): Promise<string> {
  const folder = await installOnce({
    name: 'clickhouse-go',
    files: ['main.go', 'go.mod', 'go.sum'].map((file) => join(HERE, file)),
    command: 'go',
    args: ['build', '-o', 'clients', '.'],
  });
  return join(folder, 'clients');
}

const native = test.macro(async (t, name: string) => {
  const program = await useProgram();
  const { nativePort } = await useSharedGateway(t);
  const database = await useDatabase(t);
  await t.notThrowsAsync(promisify(execFile)(program, [name, 'native', String(nativePort), database]));
});

const http = test.macro(async (t, name: string) => {
  const program = await useProgram();
  const { httpPort } = await useSharedGateway(t);
  const database = await useDatabase(t);
  await t.notThrowsAsync(promisify(execFile)(program, [name, 'http', String(httpPort), database]));
});

test('clickhouse-go inserts batches and selects in volume, in every compression', native, 'volume');
test('clickhouse-go fills parameters', native, 'parameters');
test('clickhouse-go sends an external table', native, 'external_table');
test('clickhouse-go gets errors with their codes', native, 'failures');
test('clickhouse-go leaves a result in the middle', native, 'cancellation');
test('clickhouse-go over HTTP inserts batches and selects in volume, in every compression', http, 'volume');
test('clickhouse-go over HTTP fills parameters', http, 'parameters');
test('clickhouse-go over HTTP sends an external table', http, 'external_table');
test('clickhouse-go over HTTP gets errors with their codes', http, 'failures');
test('clickhouse-go over HTTP leaves a result in the middle', http, 'cancellation');

const tables = test.macro(async (t, protocol: 'native' | 'http') => {
  const program = await useProgram();
  const { database, gateway, engine } = await useKafkaTable(t);
  const port = protocol === 'native' ? gateway.nativePort : gateway.httpPort;
  await t.notThrowsAsync(promisify(execFile)(program, ['kafka', protocol, String(port), database, engine]));
});

test('clickhouse-go creates a Kafka table, sees its rows arrive, and writes to it', tables, 'native');
test('clickhouse-go over HTTP creates a Kafka table, sees its rows arrive, and writes to it', tables, 'http');
