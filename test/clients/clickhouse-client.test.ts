import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { useClickHouse, useFolder, waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';
import { produceHundred } from './scenarios.ts';
import { debianProgram } from '../parts/debian.ts';

interface Finished {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

interface Client {
  /** Runs the client with these arguments and this input to its end. */
  run(args: readonly string[], input?: string | Iterable<string>): Promise<Finished>;
  /** Runs a shell line in which `$CLIENT` is the client with its connection's arguments. */
  shell(line: string, input: string): Promise<Finished>;
  /** Starts it on a terminal. Typing answers when what it prints from then on fits. */
  openTerminal(): { type(line: string, answer: RegExp): Promise<void> };
  /** Starts it and leaves it running. */
  readonly start: (args: readonly string[]) => ReturnType<typeof spawn>;
  readonly stream: Stream;
}

/** Debian's clickhouse-client, 18.16, of the year 2018: one of the oldest that people still use. */
async function useClient(t: ExecutionContext): Promise<Client> {
  const client = await debianProgram('clickhouse-client', ['clickhouse-client', 'clickhouse-common']);
  const { command } = client;
  const stream = await useStream(t);
  const { database, gateway } = stream;
  const connection = ['--host', '127.0.0.1', '--port', String(gateway.nativePort), '--database', database];
  const env = { ...client.env, TERM: 'xterm' };
  const start = (args: readonly string[]): ReturnType<typeof spawn> => spawn(command, [...connection, ...args], { env });
  const shellEnv = { ...env, CLIENT: `${command} ${connection.join(' ')}` };
  return {
    stream,
    start,
    openTerminal: () => {
      const child = spawn('script', ['--quiet', '--return', '--command', shellEnv.CLIENT, '/dev/null'], { env: shellEnv });
      t.teardown(() => child.kill());
      return terminalOf(child);
    },
    run: async (args, input = '') => finish(start(args), input),
    shell: async (line, input) => finish(spawn('sh', ['-c', line], { env: shellEnv }), input),
  };
}

function terminalOf(child: ReturnType<typeof spawn>): ReturnType<Client['openTerminal']> {
  let printed = '';
  child.stdout?.on('data', (piece: Buffer) => (printed += piece.toString()));
  return {
    type: async (line, answer) => {
      // It takes lines that come too fast for pasted text, and waits for their end.
      await waitFor(() => printed.includes(':) '), { message: 'a prompt' });
      printed = '';
      child.stdin?.write(`${line}\n`);
      await waitFor(() => answer.test(printed) && (line === 'exit' || printed.includes(':) ')), {
        message: `${String(answer)} after ${line}`,
      });
    },
  };
}

async function finish(child: ReturnType<typeof spawn>, input: string | Iterable<string>): Promise<Finished> {
  let output = '';
  let errors = '';
  child.stdout?.on('data', (piece: Buffer) => (output += piece.toString()));
  child.stderr?.on('data', (piece: Buffer) => (errors += piece.toString()));
  child.stdin?.on('error', () => undefined);
  for (const piece of typeof input === 'string' ? [input] : input) {
    if (child.stdin?.write(piece) === false) await once(child.stdin, 'drain');
  }
  child.stdin?.end();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output, errors };
}

function* csv(rows: number): Generator<string> {
  for (let at = 0; at < rows; at += 1000) yield Array.from({ length: 1000 }, (_, i) => `${at + i},"row ${at + i}"\n`).join('');
}

test('clickhouse-client inserts and selects in volume', async (t) => {
  const client = await useClient(t);
  t.is((await client.run(['--query', 'CREATE TABLE t (id UInt64, s String) ENGINE = MergeTree ORDER BY id'])).code, 0);
  const inserted = await client.run(['--query', 'INSERT INTO t FORMAT CSV'], csv(300_000));
  t.is(inserted.code, 0, inserted.errors);
  t.is((await client.run(['--query', 'SELECT count(), sum(id) FROM t'])).output, '300000\t44999850000\n');
  const { output } = await client.run(['--query', 'SELECT id, s FROM t ORDER BY id FORMAT CSV']);
  t.is(output, [...csv(300_000)].join(''));
});

test('clickhouse-client runs a file of statements', async (t) => {
  const client = await useClient(t);
  const file = join(await useFolder(t), 'migration.sql');
  // Not INSERT … VALUES: in a file, this client and a server of today do not get along about it without a gateway either.
  await writeFile(
    file,
    `-- a migration
CREATE TABLE a (id UInt64, s String) ENGINE = Memory;
INSERT INTO a SELECT 1, 'one; two' UNION ALL SELECT 2, 'three';
/* views */ CREATE VIEW v AS SELECT id FROM a;
SELECT id, s FROM a ORDER BY id;
DROP TABLE v;
`,
  );
  const { code, output, errors } = await client.shell(`$CLIENT --multiquery < ${file}`, '');
  t.is(code, 0, errors);
  t.is(output, '1\tone; two\n2\tthree\n');
});

test('clickhouse-client prints a notice about delivery, and goes on', async (t) => {
  const client = await useClient(t);
  const { stream } = client;
  await stream.sql(`CREATE TABLE queue (id UInt64) ${stream.engine()}`);
  const view = 'CREATE MATERIALIZED VIEW view ENGINE = MergeTree ORDER BY id AS SELECT id FROM queue';
  const { code, output, errors } = await client.shell('$CLIENT --multiquery', `${view}; SELECT 1;`);
  t.deepEqual([code, output], [0, '1\n'], errors);
  t.regex(
    errors,
    /<Warning> Sluice: Delivery of \S+\.queue is at least once, .* MODIFY SETTING non_replicated_deduplication_window = 10000/,
  );
});

test('a migration in a file creates a Kafka table, twice without harm, and its rows arrive', async (t) => {
  const client = await useClient(t);
  const { stream } = client;
  await produceHundred(stream);
  const file = join(await useFolder(t), 'migration.sql');
  await writeFile(
    file,
    `/* queue */ CREATE TABLE IF NOT EXISTS queue (id UInt64, name String) ${stream.engine()};
CREATE TABLE IF NOT EXISTS target (id UInt64, name String) ENGINE = MergeTree ORDER BY id;
CREATE MATERIALIZED VIEW IF NOT EXISTS view TO target AS SELECT id, name FROM queue;
`,
  );
  for (let round = 0; round < 2; round += 1) {
    const { code, errors, output } = await client.shell(`$CLIENT --multiquery < ${file}`, '');
    t.is(code, 0, errors);
    t.is(output, '');
  }
  await stream.answers('SELECT count(), sum(id) FROM target', '100\t4950');
  t.regex((await client.run(['--query', 'SHOW CREATE TABLE queue'])).output, /ENGINE = Kafka/);
  t.is((await client.run(['--query', 'DESCRIBE TABLE queue'])).output.split('\n')[0]?.split('\t').slice(0, 2).join(), 'id,UInt64');
  const direct = await client.run(['--query', 'SELECT * FROM queue']);
  t.is(direct.code, 620 % 256, direct.errors);
  t.regex(direct.errors, /Code: 620\. DB::Exception: Received from /);
});

test('clickhouse-client works on a terminal', async (t) => {
  const client = await useClient(t);
  const terminal = client.openTerminal();
  await terminal.type('CREATE TABLE typed (a UInt8) ENGINE = Memory', /0 rows in set/);
  await terminal.type('INSERT INTO typed VALUES (1), (2)', /2 rows in set/);
  await terminal.type('SELECT sum(a) + 40 FROM typed', /43[^]*1 rows in set/);
  await terminal.type('SELECT nope', /Code: 47\. DB::Exception: Received from .*Unknown expression identifier/);
  await terminal.type('SELECT 6 * 111', /666[^]*1 rows in set/);
  await terminal.type('exit', /Bye/);
  t.pass();
});

test('clickhouse-client gets errors with their codes', async (t) => {
  const client = await useClient(t);
  for (const [statement, code] of [
    ['SELECT * FROM no_such_table', 60],
    ['SELECT nope', 47],
    ['INSERT INTO no_such_table VALUES (1)', 60],
  ] as const) {
    const finished = await client.run(['--query', statement]);
    t.is(finished.code, code, finished.errors);
    t.regex(finished.errors, new RegExp(`Code: ${code}\\. DB::Exception: Received from `));
  }
});

test('clickhouse-client sends settings and an external table', async (t) => {
  const client = await useClient(t);
  const settings = [
    '--max_block_size',
    '77',
    '--load_balancing',
    'in_order',
    '--max_execution_time',
    '9',
    '--totals_auto_threshold',
    '0.25',
  ];
  t.is((await client.run([...settings, '--query', "SELECT getSetting('max_block_size')"])).output, '77\n');
  const table = ['--external', '--file', '-', '--name', 'ext', '--structure', 'a UInt64'];
  const { output, errors } = await client.run(['--query', 'SELECT sum(a) FROM ext', ...table], '1\n2\n3\n');
  t.is(output, '6\n', errors);
});

test('clickhouse-client is stopped in the middle of a query', async (t) => {
  const client = await useClient(t);
  const clickHouse = await useClickHouse(t);
  const marker = `SELECT count() AS ${client.stream.database} FROM system.numbers`;
  const running = async (): Promise<boolean> =>
    (await clickHouse.query(`SELECT count() FROM system.processes WHERE query LIKE '${marker}%'`)) !== '0';
  const child = client.start(['--query', marker]);
  await waitFor(running);
  child.kill('SIGINT');
  await waitFor(async () => !(await running()));
  child.kill('SIGKILL');
  await waitFor(() => child.exitCode !== null || child.signalCode !== null);
  t.pass();
});
