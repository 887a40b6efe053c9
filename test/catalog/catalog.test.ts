import test from 'ava';
import { createCatalog, type Catalog } from '../../src/catalog/index.ts';
import { placeOfDatabase, writeDefinition } from '../../src/engine/index.ts';
import { clickhouseError } from '../../src/errors.ts';
import { silentLogger } from '../../src/logger.ts';

interface Row {
  readonly database: string;
  readonly name: string;
  readonly comment: string;
}

/** A server that knows these tables, without columns or views. */
class FakeServer {
  tables: Row[] = [];
  queries: string[] = [];
  isDown = false;

  readonly rows = async <T>(sql: string): Promise<T[]> => {
    this.queries.push(sql);
    if (this.isDown) throw new Error('no answer from ClickHouse');
    if (sql.includes('getMacro')) throw clickhouseError('NO_ELEMENTS_IN_CONFIG', 'No macro');
    if (!sql.includes('FROM system.tables WHERE engine')) return [];
    const nothing = { uuid: 'u', engine: 'Null', dependencies_database: [], dependencies_table: [], as_select: '', create_table_query: '' };
    return this.tables.map((table) => ({ ...nothing, ...table })) as T[];
  };
}

const KEYS = { current: 'the key of the test' };

const definition = (settings: Record<string, string> = {}): string =>
  writeDefinition(
    { statement: '', engine: '', comment: '', added: [], settings: { kafka_topic_list: 'a, b', ...settings } },
    placeOfDatabase('db'),
    KEYS,
  );

function useCatalog(): { server: FakeServer; catalog: Catalog } {
  const server = new FakeServer();
  return { server, catalog: createCatalog({ client: server, secretKeys: KEYS, intervalMs: 3_600_000, logger: silentLogger() }) };
}

test('tables are found by database and name', async (t) => {
  const { server, catalog } = useCatalog();
  server.tables = [{ database: 'db', name: 'q', comment: definition() }];
  await catalog.refresh();
  t.deepEqual(catalog.find('db', 'q')?.options.topics, ['a', 'b']);
  t.is(catalog.find('other', 'q'), undefined);
  t.deepEqual([...catalog.names()], ['q']);
});

test('when the server is down the last list stays and the problem is told', async (t) => {
  const { server, catalog } = useCatalog();
  server.tables = [{ database: 'db', name: 'q', comment: definition() }];
  await catalog.refresh();
  t.is(catalog.problem(), undefined);
  server.isDown = true;
  await catalog.refresh();
  t.is(catalog.tables().length, 1);
  t.is(catalog.problem(), 'no answer from ClickHouse');
  server.isDown = false;
  await catalog.refresh();
  t.is(catalog.problem(), undefined);
});

test('a table whose definition cannot be read is not streamed but keeps its name', async (t) => {
  const { server, catalog } = useCatalog();
  server.tables = [
    { database: 'db', name: 'later', comment: 'sluice:9:{}' },
    { database: 'db', name: 'macro', comment: definition({ kafka_group_name: '{nope}' }) },
    { database: 'db', name: 'good', comment: definition() },
  ];
  await catalog.refresh();
  t.deepEqual(
    catalog.tables().map(({ table }) => table),
    ['good'],
  );
  t.deepEqual([...catalog.names()], ['later', 'macro', 'good']);
  t.deepEqual(
    catalog.unreadable().map(({ table }) => table),
    ['later', 'macro'],
  );
});

test('listeners hear of changes only', async (t) => {
  const { server, catalog } = useCatalog();
  let changes = 0;
  const end = catalog.onChange(() => (changes += 1));
  server.tables = [{ database: 'db', name: 'q', comment: definition() }];
  await catalog.refresh();
  await catalog.refresh();
  t.is(changes, 1);
  server.tables = [{ database: 'db', name: 'q', comment: definition({ kafka_num_consumers: '2' }) }];
  await catalog.refresh();
  t.is(changes, 2);
  end();
  server.tables = [];
  await catalog.refresh();
  t.is(changes, 2);
});

test('a refresh asked for while one runs reads again, once for all who ask', async (t) => {
  const { server, catalog } = useCatalog();
  const reads = (): number => server.queries.filter((sql) => sql.includes('WHERE engine')).length;
  const first = catalog.refresh();
  while (reads() === 0) await new Promise(setImmediate);
  server.tables = [{ database: 'db', name: 'q', comment: definition() }];
  const later = [catalog.refresh(), catalog.refresh()];
  await Promise.all([first, ...later]);
  t.is(reads(), 2);
  t.is(catalog.tables().length, 1);
});
