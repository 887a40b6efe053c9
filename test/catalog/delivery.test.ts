import test from 'ava';
import { createCatalog, type ManagedTable } from '../../src/catalog/index.ts';
import { placeOfDatabase, writeDefinition } from '../../src/engine/index.ts';
import { clickhouseError } from '../../src/errors.ts';
import { silentLogger } from '../../src/logger.ts';

interface Table {
  readonly engine: string;
  /** Behind the engine's name. */
  readonly rest?: string;
  /** Views on it. */
  readonly views?: readonly string[];
  /** Of a view. */
  readonly target?: string;
}

const KEYS = { current: 'the key of the test' };

/** A server with one Kafka table `q` and these tables beside it. `defaults`: what its configuration says, or that nobody may read it. */
async function readTable(
  tables: Record<string, Table>,
  defaults: Record<string, string> | 'forbidden' = {},
  settings: Record<string, string> = {},
): Promise<{ readonly table: ManagedTable; readonly queries: readonly string[] }> {
  const comment = writeDefinition({ statement: '', engine: '', comment: '', added: [], settings }, placeOfDatabase('db'), KEYS);
  const rowOf = ([name, { engine, rest = '', views = [], target = '' }]: [string, Table]): Record<string, unknown> => ({
    database: 'db',
    name,
    uuid: name,
    engine,
    engine_full: `${engine}${rest}`,
    comment: name === 'q' ? comment : '',
    dependencies_database: views.map(() => 'db'),
    dependencies_table: views,
    as_select: engine === 'MaterializedView' ? `SELECT ${name}` : '',
    create_table_query: '',
    target_database: target === '' ? '' : 'db',
    target_table: target,
  });
  const queries: string[] = [];
  const rows = async <T>(sql: string): Promise<T[]> => {
    queries.push(sql);
    return Promise.resolve(answer(sql) as T[]);
  };
  const answer = (sql: string): unknown[] => {
    if (sql.includes("table = 'tables' AND name IN")) return [{}, {}];
    if (sql.includes('FROM system.tables WHERE engine'))
      return Object.entries(tables)
        .filter(([name]) => name === 'q')
        .map(rowOf);
    if (sql.includes('FROM system.tables'))
      return Object.entries(tables)
        .filter(([name]) => sql.includes(`('db', '${name}')`))
        .map(rowOf);
    if (!sql.includes('merge_tree_settings')) return [];
    if (defaults === 'forbidden') throw clickhouseError('ACCESS_DENIED', 'Not enough privileges');
    return Object.entries(defaults).map(([name, value]) => ({ family: name.startsWith('repl') ? 'replicated' : 'plain', name, value }));
  };
  const catalog = createCatalog({ client: { rows }, secretKeys: KEYS, intervalMs: 3_600_000, logger: silentLogger() });
  await catalog.refresh();
  const table = catalog.find('db', 'q');
  if (table === undefined) throw new Error(catalog.problem());
  return { table, queries };
}

/** `q`, a view on it, and a target of this engine. */
const oneTarget = (engine: string, rest = ' ORDER BY id'): Record<string, Table> => ({
  q: { engine: 'Null', views: ['v'] },
  v: { engine: 'MaterializedView', target: 't' },
  t: { engine, rest },
});

const WINDOW = ' ORDER BY id SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000';

test('a MergeTree that has no deduplication window is named with the statement that gives it one', async (t) => {
  const { table } = await readTable(oneTarget('MergeTree'));
  t.deepEqual(table.delivery, {
    guarantee: 'at least once',
    prevents: [
      {
        table: 'db.t',
        reason: 'non_replicated_deduplication_window is 0',
        statement: 'ALTER TABLE `db`.`t` MODIFY SETTING non_replicated_deduplication_window = 10000',
      },
    ],
    targets: [{ table: 'db.t', blocks: 0 }],
  });
});

test('a window of the table itself counts, and the server’s default where it has none', async (t) => {
  const own = await readTable(oneTarget('SummingMergeTree', WINDOW));
  t.deepEqual(own.table.delivery, { guarantee: 'exactly once', prevents: [], targets: [{ table: 'db.t', blocks: 1000 }] });
  const byDefault = await readTable(oneTarget('MergeTree'), { non_replicated_deduplication_window: '500' });
  t.deepEqual(byDefault.table.delivery, { guarantee: 'exactly once', prevents: [], targets: [{ table: 'db.t', blocks: 500 }] });
  const off = await readTable(oneTarget('MergeTree', ' ORDER BY id SETTINGS non_replicated_deduplication_window = 0'), {
    non_replicated_deduplication_window: '500',
  });
  t.is(off.table.delivery.guarantee, 'at least once');
});

test('a window of fewer blocks than an INSERT can have is too small', async (t) => {
  const { table } = await readTable(oneTarget('MergeTree', ' ORDER BY id SETTINGS non_replicated_deduplication_window = 99'));
  t.regex(table.delivery.prevents[0]?.reason ?? '', /is 99, and one INSERT can have 100 blocks/);
});

test('a setting’s name inside of another expression is not taken for the setting', async (t) => {
  const rest = " ORDER BY concat(a, ' SETTINGS non_replicated_deduplication_window = 1000')";
  const { table } = await readTable(oneTarget('MergeTree', rest));
  t.is(table.delivery.guarantee, 'at least once');
});

test('replicated tables remember blocks by default, for a time', async (t) => {
  const { table } = await readTable(oneTarget('ReplicatedReplacingMergeTree', "('/p', 'r') ORDER BY id"));
  t.deepEqual(table.delivery, { guarantee: 'exactly once', prevents: [], targets: [{ table: 'db.t', blocks: 10000, seconds: 3600 }] });
  const off = await readTable(oneTarget('SharedMergeTree', ' ORDER BY id SETTINGS replicated_deduplication_window_seconds = 0'));
  t.deepEqual(off.table.delivery.prevents, [
    {
      table: 'db.t',
      reason: 'replicated_deduplication_window_seconds is 0',
      statement: 'ALTER TABLE `db`.`t` MODIFY SETTING replicated_deduplication_window_seconds = 3600',
    },
  ]);
});

test('other engines cannot, and no statement makes them', async (t) => {
  for (const engine of ['Memory', 'Log', 'Set', 'Join', 'Buffer', 'Distributed']) {
    const { table } = await readTable(oneTarget(engine, ''));
    t.is(table.delivery.guarantee, 'at least once');
    t.is(table.delivery.prevents[0]?.statement, undefined);
    t.regex(table.delivery.prevents[0]?.reason ?? '', new RegExp(`^engine ${engine} `));
  }
});

test('every table of a cascade counts: behind Null, behind targets, behind a view that is a target, and of window views', async (t) => {
  const { table } = await readTable({
    q: { engine: 'Null', views: ['v', 'w', 'x'] },
    v: { engine: 'MaterializedView', target: 'n' },
    n: { engine: 'Null', views: ['v2'] },
    v2: { engine: 'MaterializedView', target: 't2' },
    t2: { engine: 'MergeTree', rest: WINDOW, views: ['v3'] },
    v3: { engine: 'MaterializedView', target: '.inner_id.v3' },
    '.inner_id.v3': { engine: 'AggregatingMergeTree', rest: ' ORDER BY id' },
    x: { engine: 'MaterializedView', target: 'y' },
    y: { engine: 'MaterializedView', target: 't4' },
    t4: { engine: 'Memory' },
    w: { engine: 'WindowView' },
  });
  t.deepEqual(
    table.delivery.prevents.map((one) => one.table),
    ['db..inner_id.v3', 'db.t4', 'db.w'],
  );
  t.is(table.delivery.prevents[0]?.statement, 'ALTER TABLE `db`.`.inner_id.v3` MODIFY SETTING non_replicated_deduplication_window = 10000');
  t.deepEqual(table.delivery.targets, [
    { table: 'db..inner_id.v3', blocks: 0 },
    { table: 'db.t2', blocks: 1000 },
  ]);
});

test('a view that writes back to what it reads is followed once', async (t) => {
  const { table } = await readTable({
    q: { engine: 'Null', views: ['v'] },
    v: { engine: 'MaterializedView', target: 't' },
    t: { engine: 'MergeTree', rest: WINDOW, views: ['v2'] },
    v2: { engine: 'MaterializedView', target: 't' },
  });
  t.is(table.delivery.guarantee, 'exactly once');
});

test('a Kafka table without views doubles nothing, and costs no query for settings', async (t) => {
  const { table, queries } = await readTable({ q: { engine: 'Null' } });
  t.is(table.delivery.guarantee, 'exactly once');
  t.false(queries.some((sql) => sql.includes('merge_tree_settings')));
});

test('an account that may not read the server’s settings is told of the built-in ones', async (t) => {
  const { table } = await readTable(oneTarget('MergeTree'), 'forbidden');
  t.is(table.delivery.guarantee, 'at least once');
});
