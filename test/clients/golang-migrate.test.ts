import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { useFolder } from '../helpers/index.ts';
import type { Stream } from '../helpers/stream.ts';
import { installOnce } from '../parts/cache.ts';
import { useTutorial, type Tutorial } from './tutorial.ts';

const HERE = fileURLToPath(new URL('./go-migrate/', import.meta.url));

interface Migration {
  readonly up: string;
  readonly down: string;
}

/** Runs the tool on the native port: what it prints. `parameters`: of the database's URL. */
type Migrate = (migrations: readonly Migration[], command: 'up' | 'down' | 'version', parameters?: string) => Promise<string>;

/** The tool, with the current database of the stream for what it remembers itself. */
async function useMigrate(t: ExecutionContext, { gateway, database }: Stream): Promise<Migrate> {
  const install = await installOnce({
    name: 'go-migrate',
    files: ['main.go', 'go.mod', 'go.sum'].map((file) => join(HERE, file)),
    command: 'go',
    args: ['build', '-o', 'go-migrate', '.'],
  });
  return async (migrations, command, parameters = '') => {
    const folder = await useFolder(t);
    writeMigrations(folder, migrations);
    const url = `clickhouse://127.0.0.1:${gateway.nativePort}?username=default&database=${database}&${parameters}`;
    const { stdout } = await promisify(execFile)(join(install, 'go-migrate'), [folder, url, command]);
    return stdout.trim();
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
  const migrate = await useMigrate(t, stream);
  const migrations = migrationsOf(tutorial);
  const arrived = `SELECT count(), max(number) FROM ${database}.github`;

  t.is(await migrate(migrations, 'up', parameters), '');
  t.is(await migrate(migrations, 'version', parameters), `${migrations.length} false`);
  await tutorial.produce(100);
  await stream.answers(arrived, '100\t100');

  t.is(await migrate(migrations, 'up', parameters), 'no change');
  await tutorial.produce(100);
  await stream.answers(arrived, '200\t200');

  t.is(await migrate(migrations, 'down', parameters), '');
  t.is(await stream.direct(`SELECT count() FROM system.databases WHERE name = '${database}'`), '0');
  t.is(await migrate(migrations, 'down', parameters), 'no change');

  // The group goes on where it was.
  await tutorial.produce(100);
  t.is(await migrate(migrations, 'up', parameters), '');
  await stream.answers(arrived, '100\t300');
});

test('golang-migrate applies the tutorial, again without harm, takes it back and applies it anew', upAndDown, singleStatements, '');
test('golang-migrate does so with several statements in a migration', upAndDown, multiStatements, MULTI);

test('golang-migrate applies the whole tutorial with IF NOT EXISTS twice, and every row is there once', async (t) => {
  const tutorial = await useTutorial(t);
  const { stream, database } = tutorial;
  const migrate = await useMigrate(t, stream);
  const migrations = multiStatements(tutorial).map(({ up, down }) => ({ up: repeatable(up), down: repeatable(down) }));
  await tutorial.produce(100);
  // With a table of its own for what is done, each run does everything.
  t.is(await migrate(migrations, 'up', `${MULTI}&x-migrations-table=first`), '');
  await stream.answers(`SELECT count() FROM ${database}.github`, '100');
  t.is(await migrate(migrations, 'up', `${MULTI}&x-migrations-table=second`), '');
  t.is(await migrate(migrations, 'up', `${MULTI}&x-migrations-table=third`), '');
  await tutorial.produce(50);
  await stream.answers(
    `SELECT count(), uniqExact(number), countIf(number > 100 AND topic = '${stream.topic}') FROM ${database}.github`,
    '150\t150\t50',
  );
});

test('a migration with several statements that is not said to have them fails as on the server, and the next one works', async (t) => {
  const tutorial = await useTutorial(t);
  const migrate = await useMigrate(t, tutorial.stream);
  const [first, second] = multiStatements(tutorial);
  if (first === undefined || second === undefined) throw new TypeError('two migrations');
  const error = await t.throwsAsync(migrate([first, second], 'up'));
  t.regex(error.message, /code: 62, message: Syntax error \(Multi-statements are not allowed\)/);
  t.is(await migrate([first, second], 'version'), '1 true');
  t.is(await migrate([first, second], 'up', `${MULTI}&x-migrations-table=again`), '');
});
