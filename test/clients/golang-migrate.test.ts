import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { useClickHouse, useFolder, useStream, type Stream } from '../helpers/index.ts';
import { installOnce } from '../parts/cache.ts';

const HERE = fileURLToPath(new URL('./go-migrate/', import.meta.url));
const TUTORIAL = fileURLToPath(new URL('../../examples/github/', import.meta.url));

interface Migration {
  readonly up: string;
  readonly down: string;
}

/** The tutorial in a database of one test's own, on the stream's topic and group. */
interface Tutorial {
  readonly stream: Stream;
  readonly database: string;
  /** The text of `examples/github/<name>.sql`. */
  readonly statement: (name: string) => string;
  /** Runs the tool on the native port: what it prints. `parameters`: of the database's URL. */
  migrate(migrations: readonly Migration[], command: 'up' | 'down' | 'version', parameters?: string): Promise<string>;
  /** Sends `count` events with the next numbers. */
  produce(count: number): Promise<void>;
}

async function useTutorial(t: ExecutionContext): Promise<Tutorial> {
  const program = join(
    await installOnce({
      name: 'go-migrate',
      files: ['main.go', 'go.mod', 'go.sum'].map((file) => join(HERE, file)),
      command: 'go',
      args: ['build', '-o', 'go-migrate', '.'],
    }),
    'go-migrate',
  );
  const stream = await useStream(t);
  const clickHouse = await useClickHouse(t);
  const database = `${stream.database}_tutorial`;
  t.teardown(async () => clickHouse.query(`DROP DATABASE IF EXISTS ${database} SYNC`));
  let produced = 0;
  return {
    stream,
    database,
    statement: (name) =>
      readFileSync(join(TUTORIAL, `${name}.sql`), 'utf8')
        .replaceAll('KafkaEngine', database)
        .replace("'127.0.0.1:9092'", `'${stream.kafka.brokers}'`)
        .replace("'github'", `'${stream.topic}'`)
        .replace("'clickhouse'", `'${stream.group}'`),
    migrate: async (migrations, command, parameters = '') => {
      const folder = await useFolder(t);
      writeMigrations(folder, migrations);
      const url = `clickhouse://127.0.0.1:${stream.gateway.nativePort}?username=default&database=${stream.database}&${parameters}`;
      const { stdout } = await promisify(execFile)(program, [folder, url, command]);
      return stdout.trim();
    },
    produce: async (count) => {
      const numbers = Array.from({ length: count }, (_, index) => produced + index + 1);
      produced += count;
      const events = numbers.map((number) => JSON.stringify({ event_type: 'PushEvent', repo_name: 'sluice', number }));
      await stream.kafka.produce(stream.topic, events);
    },
  };
}

function writeMigrations(folder: string, migrations: readonly Migration[]): void {
  for (const [index, { up, down }] of migrations.entries()) {
    writeFileSync(join(folder, `${index + 1}_tutorial.up.sql`), up);
    writeFileSync(join(folder, `${index + 1}_tutorial.down.sql`), down);
  }
}

/** A migration for each statement of the tutorial's first part. */
function singleStatements({ statement, database }: Tutorial): Migration[] {
  return [
    { up: statement('01-database'), down: `DROP DATABASE ${database} SYNC` },
    { up: statement('02-target-table'), down: `DROP TABLE ${database}.github SYNC` },
    { up: statement('03-queue'), down: `DROP TABLE ${database}.github_queue SYNC` },
    { up: statement('04-view'), down: `DROP VIEW ${database}.github_mv SYNC` },
  ];
}

/** A migration for each part of the tutorial: up to the view, and on to the view with metadata. */
function multiStatements({ statement, database }: Tutorial): Migration[] {
  const first = ['01-database', '02-target-table', '03-queue', '04-view', '05-count'];
  const second = ['06-detach', '07-add-columns', '08-drop-view', '09-attach', '10-view-with-metadata', '11-select-metadata'];
  return [
    {
      up: first.map(statement).join('\n'),
      down: `DROP VIEW ${database}.github_mv; DROP TABLE ${database}.github_queue; DROP TABLE ${database}.github; DROP DATABASE ${database}`,
    },
    {
      up: second.map(statement).join('\n'),
      down: `DROP VIEW ${database}.github_mv; ALTER TABLE ${database}.github DROP COLUMN topic, DROP COLUMN partition; ${statement('04-view')}`,
    },
  ];
}

/** The same statements, as one writes them to be run again and again. */
function repeatable(sql: string): string {
  return sql
    .replaceAll(/\b(CREATE DATABASE|CREATE TABLE|CREATE MATERIALIZED VIEW|ATTACH TABLE|ADD COLUMN)\b/g, '$1 IF NOT EXISTS')
    .replaceAll(/\b(DROP VIEW|DROP TABLE|DETACH TABLE|DROP DATABASE)\b/g, '$1 IF EXISTS');
}

const MULTI = 'x-multi-statement=true';

const upAndDown = test.macro(async (t, migrationsOf: (tutorial: Tutorial) => Migration[], parameters: string) => {
  const tutorial = await useTutorial(t);
  const { stream, database } = tutorial;
  const migrations = migrationsOf(tutorial);
  const arrived = `SELECT count(), max(number) FROM ${database}.github`;

  t.is(await tutorial.migrate(migrations, 'up', parameters), '');
  t.is(await tutorial.migrate(migrations, 'version', parameters), `${migrations.length} false`);
  await tutorial.produce(100);
  await stream.answers(arrived, '100\t100');

  t.is(await tutorial.migrate(migrations, 'up', parameters), 'no change');
  await tutorial.produce(100);
  await stream.answers(arrived, '200\t200');

  t.is(await tutorial.migrate(migrations, 'down', parameters), '');
  t.is(await stream.direct(`SELECT count() FROM system.databases WHERE name = '${database}'`), '0');
  t.is(await tutorial.migrate(migrations, 'down', parameters), 'no change');

  // The group goes on where it was.
  await tutorial.produce(100);
  t.is(await tutorial.migrate(migrations, 'up', parameters), '');
  await stream.answers(arrived, '100\t300');
});

test('golang-migrate applies the tutorial, again without harm, takes it back and applies it anew', upAndDown, singleStatements, '');
test('golang-migrate does so with several statements in a migration', upAndDown, multiStatements, MULTI);

test('golang-migrate applies the whole tutorial with IF NOT EXISTS twice, and every row is there once', async (t) => {
  const tutorial = await useTutorial(t);
  const { stream, database } = tutorial;
  const migrations = multiStatements(tutorial).map(({ up, down }) => ({ up: repeatable(up), down: repeatable(down) }));
  await tutorial.produce(100);
  // With a table of its own for what is done, each run does everything.
  t.is(await tutorial.migrate(migrations, 'up', `${MULTI}&x-migrations-table=first`), '');
  await stream.answers(`SELECT count() FROM ${database}.github`, '100');
  t.is(await tutorial.migrate(migrations, 'up', `${MULTI}&x-migrations-table=second`), '');
  t.is(await tutorial.migrate(migrations, 'up', `${MULTI}&x-migrations-table=third`), '');
  await tutorial.produce(50);
  await stream.answers(
    `SELECT count(), uniqExact(number), countIf(number > 100 AND topic = '${stream.topic}') FROM ${database}.github`,
    '150\t150\t50',
  );
});

test('a migration with several statements that is not said to have them fails as on the server, and the next one works', async (t) => {
  const tutorial = await useTutorial(t);
  const [first, second] = multiStatements(tutorial);
  if (first === undefined || second === undefined) throw new TypeError('two migrations');
  const error = await t.throwsAsync(tutorial.migrate([first, second], 'up'));
  t.regex(error.message, /code: 62, message: Syntax error \(Multi-statements are not allowed\)/);
  t.is(await tutorial.migrate([first, second], 'version'), '1 true');
  t.is(await tutorial.migrate([first, second], 'up', `${MULTI}&x-migrations-table=again`), '');
});
