import test, { type ExecutionContext } from 'ava';
import { uniqueName, useKafka, useTopic, waitFor } from '../helpers/index.ts';
import { startGateway, UNCHECKED, type GatewayPart } from '../parts/gateway.ts';
import { startOwnClickHouse, type ClickHouseOptions, type ClickHousePart } from '../parts/clickhouse.ts';
import { useDoors, type Door, type Refusal } from './doors/index.ts';
import { accountGrants, userXml, usersXml } from './grants/users.ts';

const KAFKA = "ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'JSONEachRow')";
const ENGINE = 'TABLE ENGINE ON Kafka';

/** `DB` stands for the native engine's database as well as for the gateway's. */
const USERS: Readonly<Record<string, readonly string[]>> = {
  nobody: ['SHOW DATABASES ON DB.*'],
  maker: ['CREATE TABLE, DROP TABLE ON DB.*', ENGINE],
  maker_by_source: ['CREATE TABLE, DROP TABLE ON DB.*', 'READ, WRITE ON KAFKA'],
  reader_of_source: ['CREATE TABLE ON DB.*', 'READ ON KAFKA'],
  writer_of_source: ['CREATE TABLE ON DB.*', 'WRITE ON KAFKA'],
  by_old_name: ['CREATE TABLE ON DB.*', 'KAFKA ON *.*'],
  without_engine: ['CREATE TABLE, DROP TABLE, SHOW COLUMNS ON DB.*'],
  null_only: ['CREATE TABLE ON DB.*', 'TABLE ENGINE ON Null'],
  without_table: [ENGINE, 'TABLE ENGINE ON Null'],
  without_create: ['DROP TABLE ON DB.*', ENGINE],
  replacer: ['CREATE TABLE, DROP TABLE, INSERT, SELECT ON DB.*', ENGINE],
  role_holder: ['maker_role'],
  reader: ['SELECT ON DB.*'],
  reader_of_a: ['SELECT(a) ON DB.q'],
  shower: ['SHOW COLUMNS ON DB.*'],
  writer: ['INSERT ON DB.q', 'INSERT ON DB.`.outbox.q`'],
  writer_of_a: ['INSERT(a) ON DB.q', 'INSERT(a) ON DB.`.outbox.q`'],
  writer_of_both: ['INSERT(a, b) ON DB.q', 'INSERT(a, b) ON DB.`.outbox.q`'],
  copier: ['CREATE TABLE, SELECT ON DB.*', ENGINE],
  filler: ['CREATE TABLE, SELECT, INSERT ON DB.*', ENGINE],
  viewer: ['CREATE VIEW ON DB.*', 'SELECT ON DB.q', 'SELECT, INSERT ON DB.t'],
  viewer_without_select: ['CREATE VIEW ON DB.*', 'SELECT, INSERT ON DB.t'],
  viewer_without_insert: ['CREATE VIEW ON DB.*', 'SELECT ON DB.q', 'SELECT ON DB.t'],
  view_writer: ['CREATE VIEW ON DB.*', 'SELECT ON DB.t', 'SELECT, INSERT ON DB.q', 'SELECT, INSERT ON DB.`.outbox.q`'],
  view_writer_without_insert: ['CREATE VIEW ON DB.*', 'SELECT ON DB.t', 'SELECT ON DB.q'],
  view_writer_without_select: ['CREATE VIEW ON DB.*', 'SELECT ON DB.t', 'INSERT ON DB.q'],
  dropper: ['DROP TABLE ON DB.*'],
  mover: ['SELECT, DROP TABLE ON DB.*', 'CREATE TABLE, INSERT ON DB.*', ENGINE],
  commenter: ['ALTER MODIFY COMMENT, SHOW COLUMNS ON DB.*'],
};

/** Who asks what, one after the other; what is made is dropped before the next one. */
const STATEMENTS: readonly (readonly [users: string, statement: string])[] = [
  [
    'nobody maker maker_by_source reader_of_source writer_of_source by_old_name without_engine null_only without_table role_holder',
    `CREATE TABLE DB.made (a UInt8) ${KAFKA}`,
  ],
  ['nobody without_engine maker', `CREATE TABLE IF NOT EXISTS DB.q (a UInt8) ${KAFKA}`],
  ['nobody without_engine maker', `CREATE TABLE DB.q (a UInt8) ${KAFKA}`],
  ['without_engine maker', 'CREATE TABLE DB.made (a UInt8) ENGINE = Kafka()'],
  ['without_engine maker', `CREATE TABLE nowhere.made (a UInt8) ${KAFKA}`],
  ['without_engine maker', `CREATE TABLE DB.made (a LowCardinality(UInt8)) ${KAFKA}`],
  ['nobody without_create maker replacer', `CREATE OR REPLACE TABLE DB.made (a UInt8) ${KAFKA}`],
  ['copier replacer', `REPLACE TABLE DB.q (a UInt8, b String) ${KAFKA}`],
  ['nobody maker without_engine copier', 'CREATE TABLE DB.made AS DB.q'],
  ['maker without_engine copier', `CREATE TABLE DB.made AS DB.t ${KAFKA}`],
  ['maker without_engine copier', `CREATE TABLE DB.made ${KAFKA} EMPTY AS SELECT * FROM DB.t`],
  ['maker copier without_engine', `CREATE TABLE DB.made ${KAFKA} AS SELECT a FROM DB.t WHERE 0`],
  ['nobody reader reader_of_a', 'SELECT a FROM DB.q'],
  ['nobody reader reader_of_a', 'SELECT * FROM DB.q'],
  ['nobody shower reader maker', 'SHOW CREATE TABLE DB.q FORMAT Null'],
  ['nobody shower reader maker', 'DESCRIBE TABLE DB.q'],
  ['nobody writer_of_a reader', "INSERT INTO DB.q VALUES (1, 'x')"],
  ['nobody writer_of_a reader', "INSERT INTO DB.q (a, b) VALUES (1, 'x')"],
  ['nobody writer_of_a', 'INSERT INTO DB.q (* EXCEPT a) SELECT 1'],
  ['nobody writer', 'INSERT INTO DB.q (nope) VALUES (1)'],
  ['nobody viewer viewer_without_select viewer_without_insert', 'CREATE MATERIALIZED VIEW DB.made TO DB.t AS SELECT a, b FROM DB.q'],
  ['viewer', 'CREATE MATERIALIZED VIEW DB.made TO DB.t DEFINER = CURRENT_USER SQL SECURITY DEFINER AS SELECT a, b FROM DB.q'],
  ['viewer', 'CREATE MATERIALIZED VIEW DB.made TO DB.t DEFINER = default SQL SECURITY DEFINER AS SELECT a, b FROM DB.q'],
  ['viewer', 'CREATE MATERIALIZED VIEW DB.made TO DB.t SQL SECURITY NONE AS SELECT a, b FROM DB.q'],
  ['viewer', 'CREATE MATERIALIZED VIEW DB.made TO DB.t SQL SECURITY INVOKER AS SELECT a, b FROM DB.q'],
  [
    'nobody view_writer view_writer_without_insert view_writer_without_select',
    'CREATE MATERIALIZED VIEW DB.made TO DB.q AS SELECT a, b FROM DB.t',
  ],
  ['view_writer', 'CREATE MATERIALIZED VIEW DB.made TO DB.q DEFINER = default SQL SECURITY DEFINER AS SELECT a, b FROM DB.t'],
  ['nobody shower commenter', "ALTER TABLE DB.q MODIFY COMMENT 'said'"],
  ['nobody shower', 'TRUNCATE TABLE DB.q'],
  ['nobody shower', 'OPTIMIZE TABLE DB.q'],
  ['nobody shower', 'DELETE FROM DB.q WHERE 1'],
  ['nobody dropper', 'DETACH TABLE DB.q'],
  ['nobody dropper', 'ATTACH TABLE DB.q'],
  ['nobody dropper mover', 'RENAME TABLE DB.q TO DB.r'],
  ['nobody dropper', 'DROP TABLE DB.r'],
];

const DATABASES = ['native_db', 'gateway_db'] as const;

interface Setup {
  readonly server: ClickHousePart;
  readonly gateway: GatewayPart;
}

const started: { stop(): Promise<unknown> }[] = [];
test.after.always('servers are stopped', async () => {
  for (const part of started.reverse()) await part.stop();
});

/** A server with the users, and a gateway whose account has the grants that the README names and nothing else. */
async function start(options: Partial<ClickHouseOptions> = {}): Promise<Setup> {
  const server = await startOwnClickHouse({
    usersXml: usersXml(USERS, DATABASES) + usersXml({ sluice: accountGrants() }, [...DATABASES, 'shop']) + (options.usersXml ?? ''),
    rolesXml: `<maker_role><grants>${DATABASES.map((database) => `<query>GRANT CREATE TABLE ON ${database}.*</query>`).join('')}<query>GRANT ${ENGINE}</query></grants></maker_role>`,
    ...(options.configXml !== undefined && { configXml: options.configXml }),
    profilesXml: '<reading><readonly>1</readonly></reading><without_ddl><allow_ddl>0</allow_ddl></without_ddl>',
    ...(options.quotasXml !== undefined && { quotasXml: options.quotasXml }),
  });
  started.push(server);
  const url = server.url.replace('http://', 'http://sluice@');
  const gateway = await startGateway({ clickHouseUrl: url, clickHouseNativePort: server.nativePort, ...UNCHECKED });
  started.push(gateway);
  return { server, gateway };
}

let required: Promise<Setup> | undefined;

interface Side {
  readonly database: string;
  readonly doorOf: (user: string) => Promise<Door>;
}

/** Asks as each user by the door, first the native engine and then the gateway. */
async function assertSame(t: ExecutionContext, { server, gateway }: Setup, door: 0 | 1): Promise<void> {
  const sides = DATABASES.map((database, index): Side => {
    const doors = new Map<string, Promise<Door>>();
    const open = async (user: string): Promise<Door> => {
      const [http, native] = await useDoors(t, index === 0 ? server : gateway, { user, database: 'default' });
      const opened = [http, native][door];
      if (opened === undefined) throw new Error('no such door');
      return opened;
    };
    return {
      database,
      doorOf: async (user) => {
        const opened = doors.get(user) ?? open(user);
        doors.set(user, opened);
        return opened;
      },
    };
  });
  for (const side of sides) {
    const admin = await side.doorOf('default');
    for (const sql of [
      `DROP DATABASE IF EXISTS ${side.database} SYNC`,
      `CREATE DATABASE ${side.database}`,
      `CREATE TABLE DB.q (a UInt8, b String) ${KAFKA}`,
      'CREATE TABLE DB.t (a UInt8, b String) ENGINE = MergeTree ORDER BY a',
    ])
      t.is((await admin.ask({ sql: inDatabase(sql, side) })).refusal, undefined, sql);
  }
  for (const [users, statement] of STATEMENTS) {
    for (const user of users.split(' ')) {
      const [native, ours] = [await outcome(sides[0], user, statement), await outcome(sides[1], user, statement)];
      t.deepEqual(ours, native, `${user}: ${statement}`);
    }
  }
}

function inDatabase(sql: string, { database }: Side): string {
  return sql.replaceAll(/\bDB\b/g, database);
}

interface Outcome {
  readonly refusal: Refusal | undefined;
  readonly tables: string;
}

/** What the statement is answered, and which tables there are then. */
async function outcome(side: Side | undefined, user: string, statement: string): Promise<Outcome> {
  if (side === undefined) throw new Error('no side');
  const { refusal } = await (await side.doorOf(user)).ask({ sql: inDatabase(statement, side) });
  const admin = await side.doorOf('default');
  const found = await admin.ask({
    sql: `SELECT name FROM system.tables WHERE database = '${side.database}' AND name NOT LIKE '.outbox%' AND name NOT LIKE '\\_tmp%' ORDER BY name`,
  });
  await admin.ask({ sql: inDatabase('DROP TABLE IF EXISTS DB.made SYNC', side) });
  return { refusal: refusal && { ...refusal, text: shown(refusal.text, side) }, tables: found.rows.join() };
}

function shown(text: string, { database }: Side): string {
  return text
    .replaceAll(database, 'DB')
    .replaceAll(/_tmp_replace_\w+/g, 'TEMPORARY')
    .replace(/ \([0-9a-f]{8}-[0-9a-f-]{27}\)/, ' (UUID)');
}

for (const [door, name] of ['HTTP', 'the native protocol'].entries()) {
  test.serial(`each privilege missing in turn is missed in the server's words by ${name}`, async (t) => {
    required ??= start();
    await assertSame(t, await required, door === 0 ? 0 : 1);
  });
}

test.serial('the same where the server lets everybody have engines that reach nothing outside', async (t) => {
  const configXml =
    '<access_control_improvements><table_engines_require_grant>false</table_engines_require_grant></access_control_improvements>';
  await assertSame(t, await start({ configXml }), 0);
});

/** Users of the tests below. */
const SHOP_USERS: Readonly<Record<string, readonly string[]>> = {
  shop_maker: ['CREATE TABLE, DROP TABLE, SHOW COLUMNS ON shop.*', ENGINE],
  shop_owner: ['CREATE TABLE, DROP TABLE, SELECT, INSERT ON shop.*', ENGINE, 'TABLE ENGINE ON Null'],
  shop_viewer: [
    'CREATE VIEW ON shop.*',
    'SELECT ON shop.q',
    'SELECT, INSERT ON shop.t',
    'SELECT ON shop.secret',
    'SET DEFINER ON shop_definer',
  ],
  shop_definer: ['SELECT ON shop.q', 'SELECT, INSERT ON shop.t'],
  shop_writer: ['INSERT ON shop.q', 'INSERT ON shop.`.outbox.`*'],
  shop_letters: ['SELECT, ALTER DELETE ON system.dead_letter_queue', 'INSERT, SHOW COLUMNS ON shop.q', 'SELECT ON shop.t'],
};

let shop: Promise<Shop> | undefined;

interface Shop extends Setup {
  /** Sends a statement through the gateway; an exception of the server is the answer. */
  readonly ask: (user: string, sql: string, parameters?: Record<string, string>) => Promise<string>;
}

async function useShop(): Promise<Shop> {
  shop ??= startShop();
  return shop;
}

async function startShop(): Promise<Shop> {
  const setup = await start({
    usersXml:
      usersXml(SHOP_USERS, []) +
      userXml('shop_reader', ['SELECT ON shop.t'], { more: '<databases><shop><t><filter>a != 2</filter></t></shop></databases>' }) +
      userXml('shop_read_only', SHOP_USERS['shop_owner'] ?? [], { profile: 'reading' }) +
      userXml('shop_maker_read_only', SHOP_USERS['shop_maker'] ?? [], { profile: 'reading' }) +
      userXml('shop_maker_without_ddl', SHOP_USERS['shop_maker'] ?? [], { profile: 'without_ddl' }) +
      userXml('shop_limited', SHOP_USERS['shop_owner'] ?? [], { quota: 'small' }),
    quotasXml: '<small><interval><duration>86400</duration><queries>12</queries></interval></small>',
  });
  const ask: Shop['ask'] = async (user, sql, parameters = {}) => {
    const query = new URLSearchParams({ user, ...parameters });
    const answer = await fetch(`${setup.gateway.url}/?${query}`, { method: 'POST', body: sql });
    return (await answer.text()).trimEnd();
  };
  await setup.server.query('CREATE DATABASE shop');
  await setup.server.query('CREATE TABLE shop.secret (a UInt8) ENGINE = MergeTree ORDER BY a');
  return { ...setup, ask };
}

const plain = (table: string, columns = 'a UInt8'): string => `CREATE TABLE ${table} (${columns}) ${KAFKA}`;
const tables = async ({ server }: Shop, name: string): Promise<string> =>
  server.query(`SELECT engine FROM system.tables WHERE database = 'shop' AND name = '${name}'`);

test.serial(
  'with the grants that the README names, and nothing else, the account reads, writes, and keeps outboxes and dead letters',
  async (t) => {
    const [kafka, topic, server] = [await useKafka(t), await useTopic(t), await useShop()];
    const { ask } = server;
    await kafka.produce(topic, ['{"a":1,"b":"one"}', '{"a":2,"b":"two"}', '{"a":"broken"}', '{"a":3,"b":"three"}']);
    const engine = `ENGINE = Kafka('${kafka.brokers}', '${topic}', '${uniqueName(t, 'group')}', 'JSONEachRow')`;
    const settings = "SETTINGS kafka_flush_interval_ms = 300, kafka_handle_error_mode = 'dead_letter_queue'";
    await server.server.query('CREATE TABLE shop.t (a UInt8, b String) ENGINE = MergeTree ORDER BY a');
    t.is(await ask('shop_maker', `CREATE TABLE shop.q (a UInt8, b String) ${engine} ${settings}`), '');
    t.is(await tables(server, 'q'), 'Null');
    const view = 'CREATE MATERIALIZED VIEW shop.v TO shop.t DEFINER = shop_definer SQL SECURITY DEFINER AS SELECT a, b FROM shop.q';
    t.is(await ask('shop_viewer', view), '');
    const seen = async (user: string, expected: string, sql = 'SELECT a FROM shop.t ORDER BY a'): Promise<void> => {
      await waitFor(async () => (await ask(user, sql)) === expected, { timeoutMs: 60_000, message: `${sql} of ${user}` });
    };
    const withoutDefiner = 'ENGINE = MergeTree ORDER BY a AS SELECT a FROM shop.q WHERE a NOT IN (SELECT a FROM shop.secret)';
    t.is(await ask('default', `CREATE MATERIALIZED VIEW shop.unlike_secret ${withoutDefiner}`), '');
    await seen('default', '1\n2\n3');
    await seen('shop_reader', '1\n3');
    await seen('shop_letters', '{"a":"broken"}', "SELECT raw_message FROM system.dead_letter_queue FINAL WHERE table = 'q' FORMAT TSVRaw");
    t.regex(await ask('shop_letters', 'SYSTEM REPLAY DEAD LETTERS shop.q'), /^0\t1\t/);

    t.is(await ask('shop_writer', "INSERT INTO shop.q VALUES (5, 'five')"), '');
    await seen('default', '1\n2\n3\n5');
    await seen('default', '5', 'SELECT max(a) FROM shop.unlike_secret');
    const engineAway =
      "ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'CSV') SETTINGS kafka_outbox_max_rows = 1, kafka_wait_for_delivery = 0, kafka_outbox_on_drop = 'drop'";
    t.is(await ask('shop_owner', `CREATE TABLE shop.away (a UInt8) ${engineAway}`), '');
    t.is(await ask('shop_owner', 'INSERT INTO shop.away VALUES (1), (2)'), '');
    await waitFor(async () => (await ask('shop_owner', 'INSERT INTO shop.away VALUES (3)')).startsWith('Code: 290'), {
      timeoutMs: 30_000,
      message: 'the limit',
    });
    await waitFor(async () => (await server.server.query('SHOW CREATE TABLE shop.`.outbox.away`')).includes('CONSTRAINT'), {
      timeoutMs: 30_000,
      message: 'the outbox to refuse views as well',
    });
    t.is(await ask('shop_owner', 'DROP TABLE shop.away SYNC'), '');
    t.is(await ask('shop_owner', 'RENAME TABLE shop.q TO shop.moved'), '');
    await waitFor(async () => (await tables(server, '.outbox.moved')) === 'MergeTree', {
      timeoutMs: 30_000,
      message: 'the outbox to follow',
    });
    t.is(await ask('shop_owner', 'DROP TABLE shop.moved SYNC'), '');
    await waitFor(async () => (await tables(server, '.outbox.moved')) === '', { timeoutMs: 30_000, message: 'the outbox to go' });
  },
);

test.serial('a view whose definer may not write to its target fails as on the server, and its rows wait', async (t) => {
  const [kafka, topic, server] = [await useKafka(t), await useTopic(t), await useShop()];
  const { ask } = server;
  await kafka.produce(topic, ['{"a":7}']);
  await server.server.query('CREATE TABLE shop.target (a UInt8) ENGINE = MergeTree ORDER BY a');
  t.is(
    await ask(
      'default',
      `CREATE TABLE shop.waiting (a UInt8) ENGINE = Kafka('${kafka.brokers}', '${topic}', '${uniqueName(t, 'group')}', 'JSONEachRow') SETTINGS kafka_flush_interval_ms = 300`,
    ),
    '',
  );
  const view =
    'CREATE MATERIALIZED VIEW shop.refused TO shop.target DEFINER = shop_definer SQL SECURITY DEFINER AS SELECT a FROM shop.waiting';
  t.is(await ask('default', view), '');
  const status = async (): Promise<string> => (await fetch(`${server.gateway.adminUrl}/status`)).text();
  await waitFor(async () => /shop_definer: Not enough privileges/.test(await status()), { timeoutMs: 60_000, message: 'the refusal' });
  t.is(await server.server.query('SELECT count() FROM shop.target'), '0');
  t.is(await ask('default', 'DROP TABLE shop.refused SYNC'), '');
  t.is(await ask('default', view.replace('DEFINER = shop_definer', 'DEFINER = default')), '');
  await waitFor(async () => (await ask('default', 'SELECT a FROM shop.target')) === '7', { timeoutMs: 60_000, message: 'the row' });
  t.is(await ask('default', 'DROP TABLE shop.waiting SYNC'), '');
});

test.serial('a user without the engine Null makes plain Kafka tables as the server would let it, and no others', async (t) => {
  const server = await useShop();
  const { ask } = server;
  t.is(await ask('shop_maker', plain('in_session'), { database: 'shop' }), '');
  t.is(await tables(server, 'in_session'), 'Null');
  t.regex(await ask('shop_maker', plain('shop.in_session')), /^Code: 57\. DB::Exception: Table shop\.in_session already exists/);
  t.is(await ask('shop_maker', plain('shop.in_session').replace('TABLE', 'TABLE IF NOT EXISTS')), '');
  t.regex(await ask('shop_maker', plain('shop.bad', 'a LowCardinality(UInt8)')), /^Code: 455\. /);
  const allowed = { allow_suspicious_low_cardinality_types: '1' };
  t.is(await ask('shop_maker', plain('shop.suspicious', 'a LowCardinality(UInt8)'), allowed), '');
  for (const column of ["b String DEFAULT 'x'", 'b UInt8 ALIAS a', 'CONSTRAINT c CHECK a > 0']) {
    t.regex(
      await ask('shop_maker', plain('shop.bad', `a UInt8, ${column}`)),
      /^Code: 497\. .* without the grant TABLE ENGINE ON `Null`, because its .* holds an expression/,
    );
  }
  t.regex(
    await ask('shop_maker', plain('shop.bad'), { readonly: '1' }),
    /^Code: 164\. DB::Exception: shop_maker: Cannot execute query in readonly mode/,
  );
  t.regex(await ask('shop_maker', plain('shop.bad'), { allow_ddl: '0' }), /^Code: 392\. /);
  const inUrl = await fetch(`${server.gateway.url}/?${new URLSearchParams({ user: 'shop_maker', query: plain('shop.bad') })}`);
  t.regex(await inUrl.text(), /^Code: 164\. .* method GET implies readonly/);
  t.regex(await ask('shop_maker_read_only', plain('shop.bad')), /^Code: 164\. /);
  t.regex(await ask('shop_maker_without_ddl', plain('shop.bad')), /^Code: 392\. /);
  t.is(await tables(server, 'bad'), '');
  for (const table of ['in_session', 'suspicious']) t.is(await ask('shop_maker', `DROP TABLE shop.${table} SYNC`), '');
});

test.serial('an expression among the columns reaches nothing with the rights of the account', async (t) => {
  const server = await useShop();
  await server.server.query(
    "CREATE DICTIONARY shop.words (a UInt64, b String) PRIMARY KEY a SOURCE(CLICKHOUSE(QUERY 'SELECT 1 AS a, 2 AS b')) LAYOUT(FLAT()) LIFETIME(0)",
  );
  const secret = await server.ask('shop_owner', plain('shop.bad', 'a UInt8, CONSTRAINT c CHECK a NOT IN (SELECT a FROM shop.secret)'));
  t.regex(secret, /^Code: 497\. .* An expression among the columns of a Kafka table reads shop\.secret: /);
  for (const column of ['b UInt8 MATERIALIZED a IN shop.secret', 'b UInt8 DEFAULT a IN system.users'])
    t.regex(await server.ask('shop_owner', plain('shop.bad', `a UInt8, ${column}`)), /^Code: 497\. .* reads \w+\.\w+: /);
  const word = "a UInt8, b UInt8 DEFAULT dictHas('shop.words', toUInt64(a))";
  t.regex(await server.ask('shop_owner', plain('shop.bad', word)), /^Code: 497\. .* calls dictHas: /);
  t.is(await tables(server, 'bad'), '');
  t.is(
    await server.ask(
      'shop_owner',
      plain('shop.good', 'a UInt8, `b c` String DEFAULT toString(a), e String EPHEMERAL, CONSTRAINT `a b` CHECK length(`b c`) < 9'),
    ),
    '',
  );
  t.is(await server.ask('shop_owner', 'DROP TABLE shop.good SYNC'), '');
});

test.serial("read-only users and quotas are the server's own", async (t) => {
  const server = await useShop();
  await server.ask('default', plain('shop.quiet'));
  t.regex(await server.ask('shop_read_only', plain('shop.bad')), /^Code: 164\. /);
  t.regex(await server.ask('shop_read_only', 'INSERT INTO shop.quiet VALUES (1)'), /^Code: 164\. /);
  t.is(await server.ask('shop_read_only', 'DESCRIBE TABLE shop.quiet FORMAT TSV'), 'a\tUInt8');
  const answers: string[] = [];
  for (let i = 0; i < 13; i += 1)
    answers.push(await server.ask('shop_limited', plain('shop.quiet').replace('TABLE', 'TABLE IF NOT EXISTS')));
  t.is(answers[0], '');
  t.regex(answers.at(-1) ?? '', /^Code: 201\. .* Quota for user `shop_limited` .* has been exceeded/);
  t.is(await tables(server, 'bad'), '');
});
