import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { useFolder } from '../helpers/index.ts';
import { installOnce } from '../parts/cache.ts';
import { useTutorial } from './tutorial.ts';

const HERE = fileURLToPath(new URL('./flyway/', import.meta.url));

/** Migrates as `flyway migrate` does; the number of migrations that were applied. */
async function migrate(url: string, folder: string): Promise<number> {
  const install = await installOnce({
    name: 'flyway',
    files: ['pom.xml', 'FlywayClient.java'].map((file) => join(HERE, file)),
    command: 'mvn',
    args: ['-q', '-B', 'compile', 'dependency:copy-dependencies'],
  });
  const classPath = [join(install, 'target/classes'), join(install, 'lib/*')].join(':');
  const { stdout } = await promisify(execFile)('java', ['-XX:+UseSerialGC', '-cp', classPath, 'FlywayClient', url, folder]);
  return Number(stdout);
}

const FIRST = ['01-database', '02-target-table', '03-queue', '04-view'];
// One migration of several statements: Flyway splits them.
const SECOND = ['06-detach', '07-add-columns', '08-drop-view', '09-attach', '10-view-with-metadata'];

test('Flyway applies the tutorial over HTTP, again without harm, and then what is new', async (t) => {
  const { stream, database, statement, produce } = await useTutorial(t);
  const folder = await useFolder(t);
  const write = (version: number, sql: string): void => {
    writeFileSync(join(folder, `V${version}__tutorial.sql`), sql);
  };
  const url = `jdbc:clickhouse:${stream.gateway.url}/${stream.database}`;

  for (const [index, name] of FIRST.entries()) write(index + 1, statement(name));
  t.is(await migrate(url, folder), 4);
  await produce(100);
  await stream.answers(`SELECT count(), max(number) FROM ${database}.github`, '100\t100');

  t.is(await migrate(url, folder), 0);
  write(5, SECOND.map(statement).join('\n'));
  t.is(await migrate(url, folder), 1);
  await produce(100);
  await stream.answers(
    `SELECT count(), uniqExact(number), countIf(number > 100 AND topic = '${stream.topic}') FROM ${database}.github`,
    '200\t200\t100',
  );
});
