import test from 'ava';
import { useBoth } from '../query/both.ts';

const SETTINGS = "kafka_broker_list = '127.0.0.1:1', kafka_topic_list = 't', kafka_group_name = 'g', kafka_format = 'JSONEachRow'";
const ENGINE = `ENGINE = Kafka SETTINGS ${SETTINGS}`;
const ARGUMENTS = "'127.0.0.1:1', 't', 'g', 'JSONEachRow'";

const ACCEPTED = [
  `(a Int32) ${ENGINE}`,
  `(a Int32) ENGINE = Kafka() SETTINGS ${SETTINGS}`,
  `(a Int32) ENGINE=Kafka(${ARGUMENTS})`,
  `(a Int32) engine Kafka(${ARGUMENTS}) settings kafka_num_consumers=2, kafka_thread_per_consumer = 1`,
  "(a Int32) ENGINE = Kafka('b', concat('t', '1'), g1, JSONEachRow)",
  "(a Int32) ENGINE = Kafka('b', 't', a.b, `JSONEachRow`)",
  "(a Int32) ENGINE = Kafka(('b'), lower('T'), 'g', 'CSV', ';')",
  `(a Int32) ENGINE = Kafka(${ARGUMENTS}, '', '', 2, 100, 5, 1, 'c', 100, 200, true, 'default', 1, 3, 18, 'more')`,
  `(a Int32, b String COMMENT 'it''s', \`c d\` LowCardinality(String), n Nested(x Int8, y String), e Enum8('a' = 1), t Tuple(a Int8, b Array(DateTime64(3, 'UTC')))) ${ENGINE} COMMENT 'my \\'queue\\''`,
  `(a Int32 CODEC(ZSTD), b Int32 ALIAS a + 1, c Int32 NULL, CONSTRAINT positive CHECK a > 0) ${ENGINE}`,
  `(_topic String, _key Nullable(String), \`_headers.name\` Array(String)) ${ENGINE}`,
  `(a Int32) ${ENGINE}, kafka_num_consumers = '2', kafka_poll_timeout_ms = 0x10, kafka_flush_interval_ms = 1e3, kafka_compression_level = -5, kafka_thread_per_consumer, kafka_schema = DEFAULT`,
  `(a Int32) ${ENGINE}, kafka_sasl_password = 'secret', kafka_sasl_username = 'u', format_avro_schema_registry_url = 'http://u:p@h:80/x'`,
  `(a Int32) ${ENGINE}, input_format_skip_unknown_fields = 0, max_threads = 1, date_time_input_format = 'best_effort'`,
  `(a Int32) ${ENGINE} COMMENT 'x' SETTINGS max_threads = 1`,
  `(a Int32) ${ENGINE}, input_format_allow_errors_num = 1 SETTINGS max_threads = 1`,
  `(a Int32) ${ENGINE}, kafka_num_consumers = 20 SETTINGS kafka_disable_num_consumers_limit = 1`,
  `(a Int32) ${ENGINE}, kafka_topic_list = '{database}.{table}'`,
  `(a Int32 /* first, not last */, -- a comment\n b String,\n) /* the engine */ ENGINE /**/ = Kafka SETTINGS /* many */ ${SETTINGS} -- end`,
  "(a Int32) ENGINE = Kafka('b', 't', 'g', 'NoSuchFormat')",
  "(a Int32) ENGINE = Kafka('', '', '', '')",
  `(a Int32) ${ENGINE}, kafka_handle_error_mode = 'stream'`,
  `(a Int32, _error String) ${ENGINE}, kafka_handle_error_mode = 'stream'`,
  `(a Int32, _error String, _tombstone UInt8) ${ENGINE}`,
];

for (const [index, body] of ACCEPTED.entries()) {
  test(`SHOW CREATE TABLE prints Kafka table ${index + 1} as the native engine does`, async (t) => {
    const both = await useBoth(t);
    await both.same(`CREATE TABLE q ${body}`);
    t.regex(
      await both.direct("SELECT engine, comment FROM system.tables WHERE name = 'q' AND database = currentDatabase()"),
      /^Null\tsluice:2:/,
    );
    for (const statement of [
      'SHOW CREATE TABLE q',
      'DESCRIBE TABLE q',
      'DESC q SETTINGS describe_include_virtual_columns = 1',
      'SHOW CREATE q FORMAT JSON',
    ])
      t.is(withoutTimes(await both.ours(statement)), withoutTimes(await both.native(statement)), statement);
    await both.same('DESCRIBE TABLE q SETTINGS describe_compact_output = 1 FORMAT TSVWithNames');
    await both.same("DESCRIBE TABLE q SETTINGS describe_compact_output = 1, log_comment = 'FORMAT' FORMAT TSVWithNames /* SETTINGS */");
    await both.same('DESCRIBE q FORMAT TSVWithNamesAndTypes SETTINGS describe_compact_output = 1');
    await both.same('EXISTS TABLE q');
    await both.same('CREATE TABLE copy AS q');
    if ((await both.native('EXISTS TABLE copy')) === '1') await both.same('SHOW CREATE TABLE copy');
    else t.is(await both.ours('EXISTS TABLE copy'), '0');
  });
}

function withoutTimes(text: string): string {
  return text.replace(/"(?:elapsed|rows_read|bytes_read)": [\d.e+-]+/g, '');
}

const REFUSED = [
  '(a Int32) ENGINE = Kafka',
  '(a Int32) ENGINE = Kafka()',
  "(a Int32) ENGINE = Kafka('b')",
  "(a Int32) ENGINE = Kafka('b', 't')",
  "(a Int32) ENGINE = Kafka('b', 't', 'g')",
  "(a Int32) ENGINE = Kafka('b', 't', 'g', 'CSV') SETTINGS kafka_format = 'CSV'",
  "(a Int32) ENGINE = Kafka('b', 't') SETTINGS kafka_format = 'CSV', kafka_topic_list = 'z'",
  `(a Int32) ENGINE = Kafka(${ARGUMENTS}, '', '', '2')`,
  `(a Int32) ENGINE = Kafka(${ARGUMENTS}, '', '', -2)`,
  `(a Int32) ENGINE = Kafka(${ARGUMENTS}, '', '', 1.5)`,
  `(a Int32) ENGINE = Kafka(${ARGUMENTS}, '', '', true)`,
  `(a Int32) ENGINE = Kafka(${ARGUMENTS}, '', '', 1+1)`,
  `(a Int32) ENGINE = Kafka(${ARGUMENTS}, '', '', 2, 100, 5, 'a')`,
  `(a Int32) ENGINE = Kafka(${ARGUMENTS}, '', 2)`,
  `(a Int32) ENGINE = Kafka(${ARGUMENTS}, '', '', 2, 100, 5, 1, 'c', 100, 200, 1, 'bogus')`,
  "(a Int32) ENGINE = Kafka(concat('a','b'), 't', 'g', 'CSV')",
  "(a Int32) ENGINE = Kafka(1, 't', 'g', 'CSV')",
  "(a Int32) ENGINE = Kafka('b', 1, 'g', 'CSV')",
  "(a Int32) ENGINE = Kafka('b', 1 + 1, 'g', 'CSV')",
  "(a Int32) ENGINE = Kafka('b', t, 'g', 'CSV')",
  "(a Int32) ENGINE = Kafka('b', nofunc(1), 'g', 'CSV')",
  "(a Int32) ENGINE = Kafka('b', rand(), 'g', 'CSV')",
  "(a Int32) ENGINE = Kafka('b', x = 1, 'g', 'CSV')",
  "(a Int32) ENGINE = Kafka('b', 't', NULL, 'CSV')",
  '(a Int32) ENGINE = Kafka(nosuchcollection)',
  "(a Int32) ENGINE = kafka('b')",
  ENGINE,
  `() ${ENGINE}`,
  `(a Int32 MATERIALIZED 1) ${ENGINE}`,
  `(a Int32 EPHEMERAL) ${ENGINE}`,
  `(a Int32 ALIAS 1) ${ENGINE}`,
  `(a Bogus) ${ENGINE}`,
  `(a Int32, a Int32) ${ENGINE}`,
  `(a Int32) ENGINE = Kafka ORDER BY a SETTINGS ${SETTINGS}`,
  `(a Int32) ENGINE = Kafka PARTITION BY a SETTINGS ${SETTINGS}`,
  `(a Int32) ENGINE = Kafka PRIMARY KEY a SETTINGS ${SETTINGS}`,
  `(a Int32, PRIMARY KEY a) ${ENGINE}`,
  `(a Int32, d Date) ENGINE = Kafka TTL d SETTINGS ${SETTINGS}`,
  `(a Int32, d Date TTL now()) ${ENGINE}`,
  `(a Int32, INDEX i a TYPE minmax) ${ENGINE}`,
  `(a Int32, PROJECTION p (SELECT a ORDER BY a)) ${ENGINE}`,
  `(a Int32 DEFAULT 1, INDEX i a TYPE minmax) ENGINE = Kafka('b')`,
  `(a Int32 DEFAULT 1) ENGINE = Kafka('b') SETTINGS kafka_bogus = 1`,
  ...[
    'kafka_bogus = 1',
    'bogus = 1',
    'KAFKA_NUM_CONSUMERS = 1',
    "kafka_num_consumers = 'abc'",
    "kafka_num_consumers = '-1'",
    "kafka_num_consumers = '1.5'",
    "kafka_num_consumers = ''",
    'kafka_num_consumers = -1',
    'kafka_num_consumers = 0',
    'kafka_num_consumers = 17',
    'kafka_num_consumers = 99999999999999999999999',
    "kafka_num_consumers = '99999999999999999999999'",
    'kafka_num_consumers = NULL',
    'kafka_num_consumers = nan',
    'kafka_num_consumers = -1.5',
    'kafka_thread_per_consumer = 2',
    "kafka_thread_per_consumer = 'yes'",
    'kafka_thread_per_consumer = -1',
    'kafka_thread_per_consumer = NULL',
    "kafka_poll_timeout_ms = '1s'",
    'kafka_poll_timeout_ms = -1',
    'kafka_schema = 5',
    'kafka_client_id = true',
    "kafka_compression_level = '-x'",
    'kafka_compression_level = 9223372036854775808',
    "kafka_row_delimiter = 'ab'",
    'kafka_max_block_size = 0',
    "kafka_poll_max_batch_size = '0'",
    'kafka_schema_registry_skip_bytes = 256',
    'kafka_consumers_pool_ttl_ms = 100',
    'kafka_consumers_pool_ttl_ms = 1000000',
    "kafka_handle_error_mode = 'bogus'",
    'kafka_handle_error_mode = 1',
    "kafka_handle_error_mode = 'dead_letter_queue'",
    "kafka_keeper_path = '/x'",
    "kafka_topic_list = '{nomacro}'",
    "kafka_topic_list = 'x{shard'",
    "kafka_client_id = 'a{q}'",
    'kafka_client_id = 1 + 1',
    "max_threads = 'abc'",
    "input_format_allow_errors_num = 'abc'",
    "date_time_input_format = 'bogus'",
    "kafka_num_consumers = 0, kafka_handle_error_mode = 'x'",
    "kafka_num_consumers = 0, kafka_topic_list = '{nomacro}'",
  ].map((setting) => `(a Int32) ${ENGINE}, ${setting}`),
  `(a Int32) ${ENGINE}, kafka_keeper_path = 'x' SETTINGS allow_experimental_kafka_offsets_storage_in_keeper = 1`,
  `(a Int32) ${ENGINE} SETTINGS bogus = 1`,
  `(a Int32) ${ENGINE}, max_block_size = 100 SETTINGS max_threads = 1`,
  `(a Int32) ${ENGINE} COMMENT 5`,
  `(a Int32) ENGINE = Kafka(${ARGUMENTS}`,
  `(a Int32) COMMENT 'x' ${ENGINE}`,
];

test('what the native engine refuses at CREATE is refused with the same code and text', async (t) => {
  const both = await useBoth(t);
  for (const body of REFUSED) {
    const sql = `CREATE TABLE q ${body}`;
    t.like([await both.ours(sql), await both.ours('EXISTS TABLE q')], [await both.native(sql), '0'], sql);
  }
});

test('database and table are looked for before the engine is', async (t) => {
  const both = await useBoth(t);
  await both.same(`CREATE TABLE q (a Int32) ${ENGINE}`);
  await both.same(`CREATE TABLE q (a Int32) ${ENGINE}`);
  await both.same(`CREATE TABLE IF NOT EXISTS q (a Int32) ${ENGINE}`);
  await both.same("CREATE TABLE q (a Int32) ENGINE = Kafka('b')");
  await both.same("CREATE TABLE IF NOT EXISTS q (a Int32) ENGINE = Kafka('b')");
  await both.same("CREATE OR REPLACE TABLE q (a Int32) ENGINE = Kafka('b')");
  await both.same(`CREATE TABLE no_such_database.q (a Int32) ${ENGINE}`);
  await both.same('CREATE TABLE no_such_database.q (a Int32) ENGINE = Kafka()');
  await both.same(`CREATE OR REPLACE TABLE q (b String) ${ENGINE}`);
  await both.same('SHOW CREATE TABLE q');
  await both.same(`REPLACE TABLE q (c String) ${ENGINE}`);
  await both.same('SHOW CREATE TABLE q');
  await both.same(`CREATE TABLE other ON CLUSTER no_such_cluster (a Int32) ${ENGINE}`);
});

test('a password is never readable in the server, and comes back with the key', async (t) => {
  const both = await useBoth(t);
  t.is(
    await both.ours(
      `CREATE TABLE q (a Int32) ${ENGINE}, kafka_sasl_password = 'hunter2', format_avro_schema_registry_url = 'http://u:hunter3@h/'`,
    ),
    '',
  );
  const stored = await both.direct(
    "SELECT comment, create_table_query FROM system.tables WHERE name = 'q' AND database = currentDatabase()",
  );
  t.notRegex(stored, /hunter/);
  const found = both.catalog.find(both.database, 'q');
  t.is(found?.options.properties.consumer['sasl.password'], 'hunter2');
  t.deepEqual(found?.options.formatSettings, { format_avro_schema_registry_url: 'http://u:hunter3@h/' });
  t.is(await both.ours('CREATE TABLE copy AS q'), '');
  t.is(both.catalog.find(both.database, 'copy')?.options.properties.consumer['sasl.password'], 'hunter2');
});

test('columns with defaults, which the native engine refuses, are shown as they were declared', async (t) => {
  const both = await useBoth(t);
  const columns = "(a Int32, b Int32 DEFAULT a + 1, c String EPHEMERAL 'x', d String MATERIALIZED upper(_topic), e String ALIAS upper(d))";
  t.regex(
    await both.native(`CREATE TABLE q (a Int32, b Int32 DEFAULT a + 1) ${ENGINE}`),
    /^36 BAD_ARGUMENTS KafkaEngine doesn't support DEFAULT/,
  );
  t.is(await both.ours(`CREATE TABLE q ${columns} ${ENGINE}`), '');
  const shown = (text: string): string[] => [...text.matchAll(/^ {4}(.*?),?$/gm)].map(([, line = '']) => line);
  const expected = [
    '`a` Int32',
    '`b` Int32 DEFAULT a + 1',
    "`c` String EPHEMERAL 'x'",
    '`d` String MATERIALIZED upper(_topic)',
    '`e` String ALIAS upper(d)',
  ];
  t.deepEqual(shown(await both.ours('SHOW CREATE TABLE q')), expected);
  t.deepEqual(
    (await both.ours('DESCRIBE q')).split('\n').map((line) => line.split('\t')[0]),
    ['a', 'b', 'c', 'd', 'e'],
  );
  t.is(await both.ours('CREATE TABLE copy AS q'), '');
  t.deepEqual(shown(await both.ours('SHOW CREATE TABLE copy')), expected);
  const [own, copy] = [both.catalog.find(both.database, 'q'), both.catalog.find(both.database, 'copy')];
  t.deepEqual(own?.columns, [
    { name: 'a', type: 'Int32' },
    { name: 'b', type: 'Int32' },
    { name: 'c', type: 'String' },
  ]);
  t.not(own?.carriers?.prefix, copy?.carriers?.prefix);
  t.is(await both.direct('INSERT INTO q (a) VALUES (1)').then((answer) => answer.slice(0, 4)), '395 ');
});

test('a heredoc that nobody ends finds no end in what the gateway puts behind it', async (t) => {
  const both = await useBoth(t);
  for (const column of ['a $$UInt8', 'a $x$ UInt8', 'a String $$']) {
    const sql = `CREATE TABLE q (${column}) ${ENGINE}`;
    t.regex(await both.ours(sql), /^(?:48 NOT_IMPLEMENTED The gateway cannot read|62 SYNTAX_ERROR |50 UNKNOWN_TYPE )/, sql);
    t.is(await both.ours('EXISTS TABLE q'), '0', sql);
  }
  t.is(await both.ours(`CREATE TABLE q (a String COMMENT $$it's$$) ${ENGINE}`), '');
  t.is(await both.ours('CREATE TABLE copy AS q'), '');
});

test('what the gateway cannot do yet is refused with a sentence', async (t) => {
  const both = await useBoth(t);
  const refused = [`CREATE TEMPORARY TABLE q (a Int32) ${ENGINE}`, `CREATE TABLE q (a Int32) ${ENGINE} AS SELECT 1 AS a`];
  for (const sql of refused) t.regex(await both.ours(sql), /^48 NOT_IMPLEMENTED .* not supported yet by the gateway$/, sql);
  t.is(await both.ours('EXISTS TABLE q'), '0');
});

test('a table is made AS a Kafka table with its engine in front of AS or behind it', async (t) => {
  const both = await useBoth(t);
  await both.same(`CREATE TABLE q (a Int32, b String) ${ENGINE} COMMENT 'of q'`);
  const storages = [
    'ENGINE = Memory',
    "ENGINE = MergeTree ORDER BY a SETTINGS index_granularity = 1024 COMMENT 'mine'",
    'ENGINE = MergeTree PARTITION BY a % 2 ORDER BY (a)',
    ENGINE,
  ];
  for (const storage of storages) {
    await both.same(`CREATE TABLE copy ${storage} AS q`);
    await both.same('SHOW CREATE TABLE copy');
    await both.same('DROP TABLE copy');
  }
  await both.same(`CREATE TABLE copy AS q ${ENGINE}`);
  await both.same('DROP TABLE copy');
  await both.same("CREATE TABLE events (a Int32) ENGINE = Memory COMMENT 'of events'");
  await both.same(`CREATE TABLE copy ${ENGINE} AS events FORMAT CSV`);
  await both.same('SHOW CREATE TABLE copy');
  await both.same('DROP TABLE copy');
  await both.same("CREATE TABLE copy COMMENT 'mine' AS q");
  await both.same('SHOW CREATE TABLE copy');
});
