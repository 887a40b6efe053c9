import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { useSharedGateway } from '../helpers/gateway.ts';
import { useClickHouse, useDatabase } from '../helpers/index.ts';
import { useStream } from '../helpers/stream.ts';
import { useKafkaTable } from './scenarios.ts';
import { installOnce } from '../parts/cache.ts';

const HERE = fileURLToPath(new URL('./jdbc/', import.meta.url));

/** A line of the driver: a profile of `jdbc/pom.xml`, and the parameters of the URL it needs to work with this server at all. */
interface Line {
  readonly profile: 'current' | 'line-0.6';
  readonly parameters: string;
  /** How it writes to a Kafka table. */
  readonly insert: string;
}

const CURRENT: Line = { profile: 'current', parameters: '', insert: 'INSERT INTO queue (id, name) VALUES (?, ?)' };
// With its defaults (`compress=1` and `Accept-Encoding: lz4`) this line unpacks an answer once that the server packs twice, because
// `enable_http_compression` is on by now; with `enable_http_compression=0` it still cannot read errors. No gateway changes that.
// Without input() it asks `SELECT … FROM queue WHERE 0` for the columns' types, which a Kafka table refuses (620), the real engine's as well.
const LINE_0_6: Line = {
  profile: 'line-0.6',
  parameters: 'compress=0',
  insert: "INSERT INTO queue (id, name) SELECT id, name FROM input('id UInt64, name String')",
};

/** Runs a scenario of `jdbc/JdbcClient.java`, built with the pinned driver; fails with what it prints. */
async function runScenario(t: ExecutionContext, profile: Line['profile'], ...args: string[]): Promise<void> {
  const folder = await installOnce({
    name: `jdbc-${profile}`,
    files: ['pom.xml', 'JdbcClient.java'].map((file) => join(HERE, file)),
    command: 'mvn',
    args: ['-q', '-B', '-P', profile, 'compile', 'dependency:copy-dependencies'],
  });
  const classPath = [join(folder, 'target/classes'), join(folder, 'lib/*')].join(':');
  await t.notThrowsAsync(promisify(execFile)('java', ['-XX:+UseSerialGC', '-cp', classPath, 'JdbcClient', ...args]));
}

function jdbcUrl(httpUrl: string, database: string, parameters: string): string {
  return `jdbc:clickhouse:${httpUrl}/${database}?${parameters}`;
}

const alone = test.macro(async (t, { profile, parameters }: Line, scenario: string) => {
  const gateway = await useSharedGateway(t);
  const database = await useDatabase(t);
  await runScenario(t, profile, scenario, jdbcUrl(gateway.url, database, parameters));
});

const arrival = test.macro(async (t, { profile, parameters, insert }: Line) => {
  const { gateway, database, engine } = await useKafkaTable(t);
  await runScenario(t, profile, 'kafka', jdbcUrl(gateway.url, database, parameters), engine, insert);
});

const metadata = test.macro(async (t, { profile, parameters }: Line) => {
  const stream = await useStream(t);
  await runScenario(t, profile, 'metadata', jdbcUrl(stream.gateway.url, stream.database, parameters), stream.engine());
});

const errors = test.macro(async (t, { profile, parameters }: Line) => {
  const stream = await useStream(t);
  const { httpPort } = await useClickHouse(t);
  const direct = jdbcUrl(`http://127.0.0.1:${httpPort}`, stream.database, parameters);
  await runScenario(t, profile, 'errors', jdbcUrl(stream.gateway.url, stream.database, parameters), direct, stream.engine());
});

// One Java process at a time: each takes a core while it starts.
test.serial('clickhouse-jdbc creates a Kafka table, sees its rows arrive, writes to it and drops it', arrival, CURRENT);
test.serial('clickhouse-jdbc 0.6 creates a Kafka table, sees its rows arrive, writes to it and drops it', arrival, LINE_0_6);
test.serial('clickhouse-jdbc shows the Kafka table and its columns', metadata, CURRENT);
test.serial('clickhouse-jdbc 0.6 shows the Kafka table and its columns', metadata, LINE_0_6);
test.serial("clickhouse-jdbc gets the server's own errors", errors, CURRENT);
test.serial("clickhouse-jdbc 0.6 gets the server's own errors", errors, LINE_0_6);
test.serial('clickhouse-jdbc cancels a query that computes', alone, CURRENT, 'cancel');
test.serial('clickhouse-jdbc 0.6 cancels a query that computes', alone, LINE_0_6, 'cancel');
test.serial('clickhouse-jdbc cancels a result in the middle', alone, CURRENT, 'cancel_result');
test.serial('clickhouse-jdbc 0.6 cancels a result in the middle', alone, LINE_0_6, 'cancel_result');
test.serial('clickhouse-jdbc limits the time of a query', alone, CURRENT, 'timeout');
test.serial('clickhouse-jdbc 0.6 limits the time of a query', alone, LINE_0_6, 'timeout');

const IN_CURRENT = ['compress=0', 'compress=1', 'compress=1&decompress=1', 'compress=1&decompress=1&client.use_http_compression=1'];
for (const parameters of IN_CURRENT)
  test.serial(`clickhouse-jdbc inserts batches and selects in volume with ${parameters}`, alone, { ...CURRENT, parameters }, 'volume');

const ONE_COMPRESSION = 'custom_http_params=enable_http_compression=0';
for (const parameters of ['compress=0', `compress=1&${ONE_COMPRESSION}`, `compress=1&decompress=1&${ONE_COMPRESSION}`])
  test(`clickhouse-jdbc 0.6 inserts batches and selects in volume with ${parameters}`, alone, { ...LINE_0_6, parameters }, 'volume');
