import test, { type ExecutionContext } from 'ava';
import { useOwnClickHouse, waitFor } from '../helpers/index.ts';
import { useGateway } from '../helpers/gateway.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

const COLUMNS = `(
  id Int32,
  constant String DEFAULT 'none',
  computed Int64 DEFAULT id * 10,
  optional Nullable(Int32) DEFAULT 7,
  list Array(Int32) DEFAULT [id, id],
  seen Nullable(DateTime) DEFAULT _timestamp,
  origin String DEFAULT concat(_topic, '/', toString(_partition)),
  raw String EPHEMERAL 'nothing',
  shout String DEFAULT upper(raw),
  label String MATERIALIZED concat(constant, '#', _key),
  twice Int64 ALIAS computed * 2
)`;
const NAMES = 'id, constant, computed, optional, list, seen, origin, shout, label, twice';
const VIRTUAL =
  '_topic, _partition, _offset, _timestamp, _timestamp_ms, _key, `_headers.name` AS header_names, `_headers.value` AS header_values, _table';

/** A table with every kind of default and a view that reads all of it, virtual columns included, into `rows`. */
async function useDefaults(t: ExecutionContext, format: string, settings = ''): Promise<Stream> {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE q ${COLUMNS} ${stream.engine({ format, settings })}`,
    `CREATE MATERIALIZED VIEW rows ENGINE = Memory AS SELECT ${NAMES}, ${VIRTUAL} FROM q`,
  );
  return stream;
}

const AT_MS = 1_700_000_000_000;
/** What goes with every message. */
const META = { timestamp: String(AT_MS), headers: { h: 'v"\n' } };

test('fields that JSON messages leave out get their defaults, from metadata as well', async (t) => {
  const stream = await useDefaults(t, 'JSONEachRow');
  await stream.kafka.produce(stream.topic, [
    { ...META, key: 'k"1', value: '{"id":1}' },
    { ...META, key: 'k2', value: '{"id":2,"constant":"c","computed":5,"optional":null,"list":[],"seen":null,"origin":"o","raw":"hey"}' },
    { ...META, key: null, value: '{"id":3,"constant":null,"computed":null,"list":null,"raw":null}{"id":4,"shout":"mine","raw":"unheard"}' },
  ]);
  await stream.answers('SELECT count() FROM rows', '4');
  t.is(
    await stream.sql(`SELECT ${NAMES} FROM rows ORDER BY id FORMAT CSV`),
    [
      `1,"none",10,7,"[1,1]","2023-11-14 22:13:20","${stream.topic}/0","NOTHING","none#k""1",20`,
      `2,"c",5,\\N,"[]",\\N,"o","HEY","c#k2",10`,
      `3,"none",30,7,"[3,3]","2023-11-14 22:13:20","${stream.topic}/0","NOTHING","none#",60`,
      `4,"none",40,7,"[4,4]","2023-11-14 22:13:20","${stream.topic}/0","mine","none#",80`,
    ].join('\n'),
  );
  await metadataAreThere(t, stream, [0, 1, 2, 2]);
});

/** `offsets` of the rows by id. */
async function metadataAreThere(t: ExecutionContext, stream: Stream, offsets: readonly number[]): Promise<void> {
  t.is(await stream.sql('SELECT groupArray(_offset) FROM (SELECT _offset FROM rows ORDER BY id)'), `[${offsets.join(',')}]`);
  t.is(
    await stream.sql(
      'SELECT DISTINCT _topic, _partition, toUnixTimestamp64Milli(assumeNotNull(_timestamp_ms)), header_names, hex(header_values[1]), _table FROM rows FORMAT CSV',
    ),
    `"${stream.topic}",0,${AT_MS},"['h']","76220A","q"`,
  );
}

test('empty CSV fields get their defaults as in a plain INSERT', async (t) => {
  const stream = await useDefaults(t, 'CSV');
  await stream.kafka.produce(stream.topic, [
    { ...META, key: 'k1', value: '1,,,,,,,,' },
    { ...META, key: 'k2', value: '2,"c,c",5,\\N,"[2]",\\N,o,hey,\n3,,,,,,,x,mine' },
  ]);
  await stream.answers('SELECT count() FROM rows', '3');
  t.is(
    await stream.sql('SELECT id, constant, computed, optional, list, origin, shout, label FROM rows ORDER BY id FORMAT CSV'),
    [
      `1,"none",10,7,"[1,1]","${stream.topic}/0","NOTHING","none#k1"`,
      `2,"c,c",5,\\N,"[2]","o","HEY","c,c#k2"`,
      `3,"none",30,7,"[3,3]","${stream.topic}/0","mine","none#k2"`,
    ].join('\n'),
  );
  await metadataAreThere(t, stream, [0, 1, 1]);
});

test('a format whose messages go one by one has defaults and metadata all the same', async (t) => {
  const stream = await useDefaults(t, 'JSONColumns');
  await stream.kafka.produce(stream.topic, [
    { ...META, key: 'k1', value: '{"id":[1,2],"computed":[5,6],"raw":["a","b"]}' },
    { ...META, key: Buffer.from([0, 255]), value: '{"id":[3]}' },
  ]);
  await stream.answers('SELECT count() FROM rows', '3');
  t.is(
    await stream.sql('SELECT id, constant, computed, origin, shout, hex(label) FROM rows ORDER BY id FORMAT CSV'),
    [
      `1,"none",5,"${stream.topic}/0","A","6E6F6E65236B31"`,
      `2,"none",6,"${stream.topic}/0","B","6E6F6E65236B31"`,
      `3,"none",30,"${stream.topic}/0","NOTHING","6E6F6E652300FF"`,
    ].join('\n'),
  );
  await metadataAreThere(t, stream, [0, 0, 1]);
});

const PLAIN_COLUMNS = `(id Int32, constant String DEFAULT 'none', computed Int64 DEFAULT id * 10, optional Nullable(Int32) DEFAULT 7,
  list Array(Int32) DEFAULT [id], raw String EPHEMERAL 'nothing', shout String DEFAULT upper(raw), label String MATERIALIZED concat(constant, shout))`;
const INSERTED = 'id, constant, computed, optional, list, raw, shout';

/** Messages by format: fields that are left out, empty, null, and given. */
const MESSAGES: Readonly<Record<string, readonly string[]>> = {
  JSONEachRow: ['{"id":1}', '{"id":2,"constant":null,"optional":null,"raw":"a"}', '{"id":3,"list":null,"shout":""}\n{"id":4,"computed":1}'],
  JSONCompactEachRow: ['[1, null, null, null, null, null, null]', '[2, "", 0, 0, [], "a", ""]\n[3, "x", null, 1, [1, 2], null, null]'],
  JSONCompactEachRowWithNames: ['["id"]\n[1]\n[2]', '["id", "raw"]\n[3, "a"]'],
  JSONColumns: ['{"id":[1,2],"computed":[null,3]}', '{"id":[3]}'],
  CSV: ['1,,,,,,', '2,\\N,\\N,\\N,\\N,\\N,\\N\n3,x,1,2,"[1]",a,b'],
  CSVWithNames: ['id\n1\n2', 'id,raw,constant\n3,a,'],
  TSV: ['1\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N', '2\t\t5\t6\t[]\ta\t\n3\tx\t1\t\\N\t[1]\t\\N\ty'],
  TSKV: ['id=1\n', 'id=2\traw=a\tconstant=\nid=3\tcomputed=4\n'],
  Values: [
    '(1, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT)',
    "(2, 'x', 5, NULL, [1], 'a', DEFAULT), (3, NULL, NULL, NULL, NULL, NULL, NULL)",
  ],
};

for (const [format, messages] of Object.entries(MESSAGES)) {
  test(`${format} messages fill columns with defaults as plain INSERTs do`, async (t) => {
    const stream = await useStream(t);
    await stream.direct(`CREATE TABLE plain ${PLAIN_COLUMNS} ENGINE = Memory`);
    for (const message of messages) await stream.direct(`INSERT INTO plain (${INSERTED}) FORMAT ${format}\n${message}`);
    await stream.sql(
      `CREATE TABLE q ${PLAIN_COLUMNS} ${stream.engine({ format })}`,
      'CREATE MATERIALIZED VIEW rows ENGINE = Memory AS SELECT *, label FROM q',
    );
    await stream.kafka.produce(stream.topic, messages);
    await stream.answers('SELECT max(id) FROM rows', await stream.direct('SELECT max(id) FROM plain').then((answer) => answer.trim()));
    const rows = (table: string): string =>
      `SELECT id, constant, computed, optional, list, shout, label FROM ${table} ORDER BY id FORMAT JSONCompactEachRow`;
    t.is(await stream.sql(rows('rows')), (await stream.direct(rows('plain'))).trimEnd());
  });
}

test('a broken message among others stops nothing when broken ones are skipped, and its neighbours keep their defaults', async (t) => {
  const stream = await useDefaults(t, 'JSONEachRow', 'kafka_skip_broken_messages = 1');
  const values = ['{"id":1}', '{"id":"x"}', '{"id":2', '{"id":3,"raw":"r"}', '{"id":4}}', '{"id":5}{"id":6}'];
  await stream.kafka.produce(
    stream.topic,
    values.map((value) => ({ ...META, key: 'k', value })),
  );
  await stream.answers('SELECT countIf(id IN (1, 3, 5, 6)) FROM rows', '4');
  t.is(await stream.sql("SELECT count() FROM rows WHERE computed != id * 10 OR label != 'none#k'"), '0');
  t.is(await stream.sql('SELECT id, shout FROM rows WHERE id IN (1, 3) ORDER BY id FORMAT CSV'), '1,"NOTHING"\n3,"R"');
});

test('a payload that knows the names of the carriers forges nothing', async (t) => {
  const stream = await useDefaults(t, 'JSONEachRow');
  const names = await stream.direct(
    "SELECT groupArray(name) FROM system.columns WHERE database = currentDatabase() AND table = 'q' AND name LIKE '\\_sluice%'",
  );
  const carriers = [...names.matchAll(/'(\w+)'/g)].map(([, name = '']) => name);
  const position = carriers.find((name) => name.endsWith('_position')) ?? '';
  const key = carriers.find((name) => name.endsWith('_key')) ?? '';
  t.true(position !== '' && key !== '');
  const forged = `"${position}":99990001,"${key}":"stolen"`;
  await stream.kafka.produce(
    stream.topic,
    ['{"id":1}', `{"id":2,${forged}}`, `{"id":3}{"id":4,${forged}}`, `{${forged},"id":5}`, '{"id":6}'].map((value) => ({
      ...META,
      key: 'k',
      value,
    })),
  );
  await stream.answers('SELECT count() FROM rows', '6');
  await metadataAreThere(t, stream, [0, 1, 2, 2, 3, 4]);
  t.is(await stream.sql('SELECT DISTINCT _key, label FROM rows'), 'k\tnone#k');
});

test('a row that is inserted past the gateway is refused', async (t) => {
  const stream = await useDefaults(t, 'JSONEachRow');
  await t.throwsAsync(stream.direct('INSERT INTO q (id) VALUES (1)'), { message: /a row without a source/ });
});

test('a table with MATERIALIZED columns only computes them from payload and metadata', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE q (id Int32, label String MATERIALIZED concat(toString(id), '@', _key), at UInt64 MATERIALIZED _offset) ${stream.engine()}`,
    'CREATE MATERIALIZED VIEW rows ENGINE = Memory AS SELECT id, label, at FROM q',
  );
  await stream.kafka.produce(stream.topic, [
    { key: 'a', value: '{"id":1}' },
    { key: 'b', value: '{"id":2}' },
  ]);
  await stream.answers('SELECT * FROM rows ORDER BY id FORMAT CSV', '1,"1@a",0\n2,"2@b",1');
});

test('a broken message becomes a row of defaults with its error, its neighbours keep theirs', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE q (id Int32, s String DEFAULT '5', d Int32 DEFAULT toInt32(s)) ${stream.engine({ settings: "kafka_handle_error_mode = 'stream'" })}`,
    'CREATE MATERIALIZED VIEW rows ENGINE = Memory AS SELECT id, d, _offset, _key, _raw_message, _error FROM q',
  );
  const values = ['{"id":1}', '{"id":"x"}', '{"id":2,"s":"six"}', '{"id":3,"s":"7"}', 'nothing'];
  await stream.kafka.produce(
    stream.topic,
    values.map((value, i) => ({ key: `k${i}`, value })),
  );
  await stream.answers(
    `SELECT _offset, _key, _raw_message, _error != '' AS is_broken, if(is_broken, (0, 0), (id, d)) FROM rows ORDER BY _offset FORMAT CSV`,
    [
      '0,"k0","",0,1,5',
      '1,"k1","{""id"":""x""}",1,0,0',
      '2,"k2","{""id"":2,""s"":""six""}",1,0,0',
      '3,"k3","",0,3,7',
      '4,"k4","nothing",1,0,0',
    ].join('\n'),
  );
});

test('a copy of a table with defaults that is not a Kafka table has its columns only, and takes rows', async (t) => {
  const stream = await useDefaults(t, 'JSONEachRow');
  await stream
    .sql("ALTER TABLE q COMMENT COLUMN constant 'commented'", 'CREATE TABLE copy AS q ENGINE = MergeTree ORDER BY id')
    .catch((error: unknown) => {
      // The copy has no virtual columns that its defaults could read.
      t.regex(String(error), /Missing columns|UNKNOWN_IDENTIFIER/);
    });
  await stream.sql(
    `CREATE TABLE q2 (id Int32, b Int32 DEFAULT id + 1, e String EPHEMERAL, f String DEFAULT e) ${stream.engine({ group: `${stream.group}2` })}`,
    'CREATE TABLE plain AS q2 ENGINE = MergeTree ORDER BY id',
    "INSERT INTO plain (id, e) VALUES (1, 'x')",
  );
  t.is(await stream.sql('SELECT * FROM plain'), '1\t2\tx');
});

test('a table with defaults goes on when the server was restarted', async (t) => {
  const clickHouse = await useOwnClickHouse(t);
  const gateway = await useGateway(t, { clickHouseUrl: clickHouse.url, clickHouseNativePort: clickHouse.nativePort });
  const stream = await useStream(t, { gateway });
  const database = 'default';
  const ask = async (sql: string): Promise<string> => clickHouse.query(sql, { database });
  const send = async (sql: string): Promise<string> =>
    (await fetch(`${gateway.url}/?database=${database}`, { method: 'POST', body: sql })).text();
  t.is(await send(`CREATE TABLE q (id Int32, d String DEFAULT _topic, k String MATERIALIZED _key) ${stream.engine()}`), '');
  await send('CREATE MATERIALIZED VIEW rows ENGINE = MergeTree ORDER BY id AS SELECT id, d, k, _offset AS at FROM q');
  await stream.kafka.produce(stream.topic, [{ key: 'a', value: '{"id":1}' }]);
  await waitFor(async () => (await ask('SELECT count() FROM rows')) === '1');
  await clickHouse.restart();
  await stream.kafka.produce(stream.topic, [{ key: 'b', value: '{"id":2}' }]);
  await waitFor(async () => (await ask('SELECT uniqExact(id) FROM rows').catch(() => '')) === '2');
  t.is(await ask('SELECT DISTINCT id, d, k, at FROM rows ORDER BY id'), `1\t${stream.topic}\ta\t0\n2\t${stream.topic}\tb\t1`);
});
