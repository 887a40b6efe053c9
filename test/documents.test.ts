import { existsSync, readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { settingsTable } from '../src/config/help.ts';
import { loadConfig } from '../src/config/index.ts';
import { engineSettingsTable } from '../src/engine/index.ts';
import { propertiesOf, propertiesTable } from '../src/librdkafka/index.ts';
import { splicedFormats, splicerOf } from '../src/formats/index.ts';
import { codeBlocks } from './fixtures/markdown.ts';
import { useGateway } from './helpers/gateway.ts';
import { readCommitted } from './helpers/read-committed.ts';
import { uniqueName, useCertificate, useClickHouse, useDatabase, useKafka, useTopic, waitFor } from './helpers/index.ts';
import type { KafkaPart } from './parts/kafka.ts';

const README = readFileSync('README.md', 'utf8');
const CHANGELOG = readFileSync('CHANGELOG.md', 'utf8');
const MANIFEST = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string; scripts: Record<string, string> };

test("the README's table of settings is the code's", (t) => {
  t.true(README.includes(settingsTable()), `put this into README.md:\n\n${settingsTable()}`);
});

test("the README's table of engine settings is the code's", (t) => {
  t.true(README.includes(engineSettingsTable()), `put this into README.md:\n\n${engineSettingsTable()}`);
});

test("the README's table of librdkafka's properties is the code's", (t) => {
  t.true(README.includes(propertiesTable()), `put this into README.md:\n\n${propertiesTable()}`);
});

test("the README's configuration of connections is accepted, and says what it says", (t) => {
  const [file = ''] = codeBlocks(sectionOf('Where connection settings come from'), 'yaml');
  const loaded = loadConfig({ argv: ['--config', 'sluice.yaml'], env: { KAFKA_PASSWORD: 'secret' }, readFile: () => file });
  if (loaded.kind !== 'config') return t.fail(JSON.stringify(loaded));
  const { consumer, producer } = propertiesOf(loaded.config.kafka, ['readings']);
  t.is(consumer['sasl.password'], 'secret');
  t.is(consumer['auto.offset.reset'], 'latest');
  t.is(producer['compression.codec'], 'zstd');
  t.deepEqual([...loaded.config.namedCollections.keys()], ['plant']);
});

test("the README's formats are those that are spliced", (t) => {
  const [, text = ''] = /<!-- formats: .*? -->(.*?)<!-- end of formats -->/s.exec(README) ?? [];
  const named = [...text.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
  t.deepEqual(
    named.filter((name) => splicerOf(name) === undefined && !/^With/.test(name)),
    [],
  );
  const families = new Set(named.map((name) => name.toLowerCase()));
  t.deepEqual(
    splicedFormats().filter((name) => !families.has(name.replace(/with(?:names|namesandtypes|defaults)$/, ''))),
    [],
  );
});

test("the README's configuration file is accepted", (t) => {
  const [file = ''] = codeBlocks(README, 'yaml');
  t.is(loadConfig({ argv: ['--config', 'sluice.yaml'], env: {}, readFile: () => file }).kind, 'config');
});

test("the README's configuration for TLS is accepted", async (t) => {
  const { cert, key } = await useCertificate(t);
  const [, file = ''] = codeBlocks(README, 'yaml');
  const files: Readonly<Record<string, string>> = {
    'sluice.yaml': file,
    '/etc/sluice/cert.pem': cert.toString(),
    '/etc/sluice/key.pem': key.toString(),
    '/etc/sluice/ca.pem': cert.toString(),
  };
  t.is(loadConfig({ argv: ['--config', 'sluice.yaml'], env: {}, readFile: (path) => files[path] ?? '' }).kind, 'config');
});

test("the README's environment variables are accepted", (t) => {
  const assignments = codeBlocks(README, 'sh').flatMap((block) => [...block.matchAll(/(SLUICE_\w+)=(\S+)/g)]);
  t.true(assignments.length > 0);
  const env = Object.fromEntries(assignments.map(([, name = '', value = '']) => [name, value] as const));
  t.is(loadConfig({ argv: [], env, readFile: () => '' }).kind, 'config');
});

test('every npm script that the README names exists', (t) => {
  const names = [...README.matchAll(/npm (?:run ([\w:]+)|(test|start))/g)].map(([, run, word]) => run ?? word ?? '');
  t.deepEqual(
    names.filter((name) => !(name in MANIFEST.scripts)),
    [],
  );
});

test('every file that the README names exists', (t) => {
  const paths = [...README.matchAll(/`((?:src|test|grammar|examples|\.ci)\/[\w./-]*)`/g)].map(([, path]) => path ?? '');
  t.true(paths.length > 10);
  t.deepEqual(
    paths.filter((path) => !existsSync(path)),
    [],
  );
});

test('the changelog begins with the version of the package', (t) => {
  t.is(/^## (\S+)/m.exec(CHANGELOG)?.[1], MANIFEST.version);
});

/** What stands under a heading, up to the next one of its kind. */
function sectionOf(title: string): string {
  const start = README.indexOf(`# ${title}\n`);
  return README.slice(start, README.indexOf('\n##', start));
}

interface Reader {
  readonly kafka: KafkaPart;
  readonly topic: string;
  readonly outTopic: string;
  /** One statement of the README, with this test's names for the README's. */
  readonly send: (sql: string) => Promise<string>;
}

/** Somebody who follows the README with servers of their own. */
async function useReader(t: ExecutionContext): Promise<Reader> {
  const [kafka, clickHouse, topic, outTopic] = [await useKafka(t), await useClickHouse(t), await useTopic(t), await useTopic(t)];
  const database = await useDatabase(t);
  const gateway = await useGateway(t);
  const { username, password } = new URL(clickHouse.url);
  const headers = { 'X-ClickHouse-User': decodeURIComponent(username) || 'default', 'X-ClickHouse-Key': decodeURIComponent(password) };
  const own = {
    'broker:9092': kafka.brokers,
    "'readings'": `'${topic}'`,
    "'readings_out'": `'${outTopic}'`,
    readings_group: uniqueName(t, 'group'),
    readings_out_group: uniqueName(t, 'out'),
  };
  const send = async (sql: string): Promise<string> => {
    const body = Object.entries(own).reduce((text, [from, to]) => text.replaceAll(from, to), sql);
    const response = await fetch(`${gateway.url}/?database=${database}`, { method: 'POST', body, headers });
    const text = await response.text();
    t.true(response.ok, `${body}\n${text}`);
    return text;
  };
  return { kafka, topic, outTopic, send };
}

test.serial("the README's ten minutes lead to the answer it shows", async (t) => {
  t.timeout(120_000);
  const { kafka, topic, send } = await useReader(t);
  const minutes = sectionOf('Ten minutes with your own servers');
  const [messages = ''] = codeBlocks(minutes, 'json');
  await kafka.produce(topic, messages.split('\n'));
  const statements = codeBlocks(minutes, 'sql');
  const select = statements.pop() ?? '';
  for (const statement of statements) await send(statement);

  const [expected = ''] = codeBlocks(minutes, 'text');
  await waitFor(async () => (await send('SELECT count() FROM readings')) === '3\n');
  t.is(await send(select), `${expected}\n`);
  for (const statement of ['DETACH TABLE readings_queue', 'ATTACH TABLE readings_queue', 'DROP TABLE readings_queue'])
    await send(statement);
});

test.serial("the README's statements write to Kafka what it says", async (t) => {
  t.timeout(120_000);
  const { kafka, outTopic, send } = await useReader(t);
  await send('CREATE TABLE readings (id UInt64, sensor String, celsius Float64) ENGINE = MergeTree ORDER BY id');
  await send("INSERT INTO readings VALUES (1, 'roof', 3.5)");
  const statements = codeBlocks(sectionOf('Writing to Kafka'), 'sql').flatMap((block) =>
    block.split(/;\n|;$/).filter((text) => text.trim() !== ''),
  );
  const count = statements.pop() ?? '';
  for (const statement of statements) await send(statement);
  await send("INSERT INTO readings VALUES (9, 'yard', -1)");
  // Two by INSERT … VALUES, one by the view, and one tombstone: what was selected went past it.
  t.is(await send(count), '4\n');
  const messages = await readCommitted(t, kafka, outTopic, 5);
  t.deepEqual(
    messages.map(({ key, value, headers }) => [key?.toString(), value?.toString(), headers?.['trace']?.toString()]),
    [
      [undefined, '{"id":4,"sensor":"hall","celsius":19.5}\n', undefined],
      [undefined, '{"id":1,"sensor":"roof","celsius":3.5}\n', undefined],
      ['hall', '{"id":5,"sensor":"hall","celsius":20}\n', 'abc'],
      ['cellar', undefined, undefined],
      ['yard', '{"id":9,"sensor":"yard","celsius":-1}\n', undefined],
    ],
  );
});
