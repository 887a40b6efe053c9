import test, { type ExecutionContext } from 'ava';
import kafkajs from 'kafkajs';
import { useGateway } from '../helpers/gateway.ts';
import { useOwnKafka, waitFor } from '../helpers/index.ts';
import { readCommitted } from '../helpers/read-committed.ts';
import { useStream, type Stream } from '../helpers/stream.ts';
import type { GatewayPart } from '../parts/gateway.ts';
import type { KafkaPart } from '../parts/kafka.ts';

const COLUMNS = '(id UInt64, name String)';
const DEDUPLICATES = 'SETTINGS non_replicated_deduplication_window = 1000';

interface Outlet extends Stream {
  readonly own: KafkaPart;
}

/** A source table with a view that writes to topic `out` of a broker that the test may stop. */
async function useOutlet(t: ExecutionContext, settings = '', gateway?: GatewayPart): Promise<Outlet> {
  const own = await useOwnKafka(t);
  await own.createTopic('out', 2);
  const stream = await useStream(t, gateway === undefined ? {} : { gateway });
  const more = settings === '' ? '' : `, ${settings}`;
  await stream.sql(
    `CREATE TABLE source ${COLUMNS} ENGINE = MergeTree ORDER BY id ${DEDUPLICATES}`,
    `CREATE TABLE queue ${COLUMNS} ENGINE = Kafka('${own.brokers}', 'out', 'g', 'JSONEachRow') SETTINGS kafka_delivery_timeout_ms = 3000${more}`,
    'CREATE MATERIALIZED VIEW to_queue TO queue AS SELECT * FROM source',
  );
  return { ...stream, own };
}

async function idsIn(t: ExecutionContext, kafka: KafkaPart, count: number): Promise<number[]> {
  const messages = await readCommitted(t, kafka, 'out', count);
  return messages.map(({ value }) => (JSON.parse(String(value)) as { id: number }).id).sort((a, b) => a - b);
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test.serial(
  'while the broker is away a view takes rows, an INSERT says that its rows are queued, and all are sent once when it is back',
  async (t) => {
    const outlet = await useOutlet(t);
    await outlet.sql("INSERT INTO source SELECT number, 'before' FROM numbers(10)");
    await waitFor(async () => (await idsIn(t, outlet.own, 10)).length === 10);
    await outlet.own.kill();
    const startedMs = performance.now();
    await outlet.sql("INSERT INTO source SELECT number + 10, 'away' FROM numbers(10)");
    t.true(performance.now() - startedMs < 2_500, 'the source INSERT waits for nobody');
    const error = await t.throwsAsync(outlet.sql("INSERT INTO queue SELECT number + 20, 'away' FROM numbers(10)"));
    t.regex(
      error.message,
      /^Code: 159\. .*The rows are in the outbox of \S+\.queue and will be sent, but Kafka has not acknowledged them within 3000 ms/,
    );
    await outlet.own.restart();
    t.deepEqual(await idsIn(t, outlet.own, 30), range(0, 30));
  },
);

test.serial('an outbox that reached its limit refuses rows of views and INSERTs, and takes them again when it is empty', async (t) => {
  const outlet = await useOutlet(t, 'kafka_outbox_max_rows = 100');
  await outlet.own.kill();
  await outlet.sql("INSERT INTO source SELECT number, 'fills it' FROM numbers(200)");
  const isFull = /The outbox of \S+\.queue is full: \d+ rows wait to be sent, and kafka_outbox_max_rows = 100/;
  let queued = 0;
  await waitFor(
    async () => {
      const error: unknown = await outlet.sql("INSERT INTO queue VALUES (1000, 'direct')").catch((e: unknown) => e);
      if (/Code: 159/.test(String(error))) queued += 1;
      return isFull.test(String(error));
    },
    { message: 'the outbox is full' },
  );
  await t.throwsAsync(outlet.sql("INSERT INTO source VALUES (2000, 'by the view')"), { message: isFull });
  await outlet.own.restart();
  await waitFor(
    async () => {
      await outlet.sql(
        "INSERT INTO source SETTINGS insert_deduplication_token = 'again', deduplicate_blocks_in_dependent_materialized_views = 1 VALUES (3000, 'again')",
      );
      return true;
    },
    { message: 'rows are taken again', timeoutMs: 60_000 },
  );
  const ids = await idsIn(t, outlet.own, 201 + queued);
  t.true(ids.includes(3000) && !ids.includes(2000));
});

test.serial(
  'after a restart without brokers, rows that were sent count for no limit, and what another gateway refused wrongly is taken again',
  async (t) => {
    const first = await useGateway(t);
    const outlet = await useOutlet(t, 'kafka_outbox_max_age_ms = 8000, kafka_outbox_max_rows = 15', first);
    await outlet.sql("INSERT INTO source SELECT number, 'sent' FROM numbers(10)");
    t.is((await idsIn(t, outlet.own, 10)).length, 10);
    // As a gateway would do that cannot reach Kafka.
    const refuse = "ALTER TABLE `.outbox.queue` ADD CONSTRAINT sluice_outbox_is_full CHECK throwIf(1, 'The outbox is full') = 0";
    await outlet.direct(refuse);
    await t.throwsAsync(outlet.direct("INSERT INTO source VALUES (100, 'refused')"), { message: /The outbox is full/ });
    await waitFor(async () => !(await outlet.direct('SHOW CREATE TABLE `.outbox.queue`')).includes('CONSTRAINT'), {
      message: 'INSERTs are taken again',
    });
    await outlet.direct("INSERT INTO source SELECT number + 10, 'sent' FROM numbers(10)");
    t.is((await idsIn(t, outlet.own, 20)).length, 20);
    await first.stop();
    await outlet.own.kill();
    const second = await useGateway(t);
    const outbox = async (): Promise<{ state: string; rows: number; full: string | null; exceptions: unknown[] } | undefined> => {
      const status = (await (await fetch(`${second.adminUrl}/status`)).json()) as { tables: { table: string; outbox?: never }[] };
      return status.tables.find(({ table }) => table === 'queue')?.outbox;
    };
    await waitFor(async () => ((await outbox())?.exceptions.length ?? 0) > 0, { timeoutMs: 30_000, message: 'Kafka is missed' });
    await waitFor(
      async () =>
        (await outlet.direct("SELECT max(now64(3) - modification_time) > 9 FROM system.parts WHERE table = '.outbox.queue' AND active")) ===
        '1',
    );
    t.is((await outbox())?.full, null);
    await outlet.direct("INSERT INTO source SELECT number + 20, 'waits' FROM numbers(10)");
    await outlet.own.restart();
    t.deepEqual(await idsIn(t, outlet.own, 30), range(0, 30));
  },
);

test.serial('a table with rows that are not sent cannot be dropped, unless it says that they may be lost', async (t) => {
  const outlet = await useOutlet(t, 'kafka_wait_for_delivery = 0');
  await outlet.own.kill();
  await outlet.sql("INSERT INTO queue VALUES (1, 'a')");
  await t.throwsAsync(outlet.sql('DROP TABLE queue'), {
    message: /^Code: 705\. .*has 1 rows in its outbox that Kafka has not acknowledged.*TRUNCATE TABLE/s,
  });
  t.is(await outlet.direct(`SELECT count() FROM system.tables WHERE database = '${outlet.database}' AND name = 'queue'`), '1');
  await outlet.sql('TRUNCATE TABLE `.outbox.queue`');
  await outlet.sql('DROP TABLE queue');
  await outlet.sql(
    `CREATE TABLE careless ${COLUMNS} ENGINE = Kafka('${outlet.own.brokers}', 'out', 'g', 'JSONEachRow') SETTINGS kafka_check_on_create = 0, kafka_wait_for_delivery = 0, kafka_outbox_on_drop = 'drop'`,
    "INSERT INTO careless VALUES (2, 'b')",
    'DROP TABLE careless',
  );
  await waitFor(
    async () =>
      (await outlet.direct(`SELECT count() FROM system.tables WHERE database = '${outlet.database}' AND name = '.outbox.careless'`)) ===
      '0',
    { message: 'the outbox is gone' },
  );
});

test.serial('an outbox whose rows may be lost goes as soon as the server lets it, when it could not go with its table', async (t) => {
  const gateway = await useGateway(t);
  const stream = await useStream(t, { gateway });
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ENGINE = Kafka('127.0.0.1:1', 'out', 'g', 'JSONEachRow') SETTINGS kafka_check_on_create = 0, kafka_wait_for_delivery = 0, kafka_outbox_on_drop = 'drop'`,
    "INSERT INTO queue VALUES (1, 'lost')",
    `CREATE DICTIONARY keeps_it ${COLUMNS} PRIMARY KEY id SOURCE(CLICKHOUSE(DB '${stream.database}' TABLE '.outbox.queue')) LAYOUT(FLAT()) LIFETIME(0)`,
    'DROP TABLE queue',
  );
  await waitFor(() => /HAVE_DEPENDENT_OBJECTS.*an outbox cannot be looked after/.test(gateway.logs()), {
    message: 'the outbox cannot go',
  });
  await stream.direct('DROP DICTIONARY keeps_it');
  await waitFor(
    async () =>
      (await stream.direct(`SELECT count() FROM system.tables WHERE database = '${stream.database}' AND name = '.outbox.queue'`)) === '0',
    { message: 'the outbox is gone', timeoutMs: 30_000 },
  );
  t.pass();
});

test.serial(
  'rows that were put aside are told after a restart as well, and a table with such rows is not dropped before somebody decides about them',
  async (t) => {
    const first = await useGateway(t);
    const stream = await useStream(t, { partitions: 1, gateway: first });
    await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
    await t.throwsAsync(stream.sql('INSERT INTO queue (id, _partition) VALUES (1, 55)'), { message: /put aside/ });
    await first.stop();
    const second = await useGateway(t);
    const parked = async (): Promise<readonly { readonly drop: string; readonly rows: number | null }[]> => {
      const status = (await (await fetch(`${second.adminUrl}/status`)).json()) as {
        tables: { database: string; outbox: { parked: { drop: string; rows: number | null }[] } | null }[];
      };
      return status.tables.find((table) => table.database === stream.database)?.outbox?.parked ?? [];
    };
    await waitFor(async () => (await parked()).length === 1);
    const drop = async (): Promise<string> =>
      (await fetch(`${second.url}/?database=${stream.database}`, { method: 'POST', body: 'DROP TABLE queue' })).text();
    t.regex(await drop(), /^Code: 705\. .*were put aside.*ATTACH PART 'all_\S+', or throw them away by ALTER TABLE .* DROP DETACHED PART/s);
    await stream.direct((await parked())[0]?.drop ?? '');
    await waitFor(async () => (await parked()).length === 0);
    t.is(await drop(), '');
  },
);

test.serial('of two gateways either may put rows aside, and the one that took the INSERT says so', async (t) => {
  const [one, other] = [await useGateway(t), await useGateway(t)];
  const stream = await useStream(t, { partitions: 1, gateway: one });
  const insert = async ({ url }: GatewayPart, sql: string): Promise<string> =>
    (await fetch(`${url}/?database=${stream.database}`, { method: 'POST', body: sql })).text();
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
  await waitFor(async () => (await insert(other, "INSERT INTO queue VALUES (0, 'known')")) === '', { message: 'both to know the table' });
  for (let id = 1; id <= 24; id += 1) {
    const gateway = id % 2 === 0 ? one : other;
    const [refused, sent] = await Promise.all([
      insert(gateway, `INSERT INTO queue (id, _partition) VALUES (${id}, 55)`),
      insert(gateway, `INSERT INTO queue VALUES (${id}, 'sent')`),
    ]);
    t.regex(refused, /^Code: 1001\. .*put aside, none of them was sent: /, String(id));
    t.is(sent, '', String(id));
  }
});

test.serial('a table that is made anew with the same columns, with the right broker for example, sends the rows that wait', async (t) => {
  const stream = await useStream(t, { partitions: 1 });
  const create = (brokers: string, columns = COLUMNS): string =>
    `CREATE OR REPLACE TABLE queue ${columns} ENGINE = Kafka('${brokers}', '${stream.topic}', 'g', 'JSONEachRow') ` +
    'SETTINGS kafka_check_on_create = 0, kafka_delivery_timeout_ms = 1000';
  await stream.sql(create('127.0.0.1:1'));
  await t.throwsAsync(stream.sql("INSERT INTO queue VALUES (1, 'waits')"), { message: /^Code: 159\. / });
  await t.throwsAsync(stream.sql(create(stream.kafka.brokers, '(id UInt64)')), { message: /^Code: 705\. / });
  await stream.sql(create(stream.kafka.brokers));
  const [message] = await readCommitted(t, stream.kafka, stream.topic, 1);
  t.is(message?.value?.toString(), '{"id":1,"name":"waits"}\n');
});

test.serial('an INSERT waits for its rows although its table gets another name meanwhile', async (t) => {
  const outlet = await useOutlet(t);
  await outlet.sql(
    `CREATE TABLE early ${COLUMNS} ENGINE = Kafka('${outlet.own.brokers}', 'out', 'g', 'JSONEachRow') SETTINGS kafka_delivery_timeout_ms = 90000`,
    "INSERT INTO early VALUES (0, 'before')",
  );
  await outlet.own.kill();
  let isAnswered = false;
  const inserting = outlet.sql("INSERT INTO early VALUES (1, 'while it is renamed')").finally(() => {
    isAnswered = true;
  });
  await waitFor(async () => (await outlet.direct('SELECT count() FROM `.outbox.early`')) === '2');
  await outlet.sql('RENAME TABLE early TO late');
  await waitFor(async () => (await outlet.direct('SELECT count() FROM `.outbox.late`')) === '2');
  t.false(isAnswered);
  await outlet.own.restart();
  await inserting;
  t.deepEqual(await idsIn(t, outlet.own, 2), [0, 1]);
});

test.serial(
  'an INSERT into a topic that the gateway may not write to says so at once and what it needs, and its rows are sent when it may',
  async (t) => {
    const own = await useOwnKafka(t, {
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'allow.everyone.if.no.acl.found': 'true',
      },
    });
    await own.createTopic('out', 1);
    const stream = await useStream(t);
    const table = `(id UInt64) ENGINE = Kafka('${own.brokers}', 'out', 'g', 'JSONEachRow') SETTINGS kafka_check_on_create = 0, kafka_delivery_timeout_ms = 60000`;
    await stream.sql(`CREATE TABLE queue ${table}`);
    const { WRITE, READ } = kafkajs.AclOperationTypes;
    for (const [id, operation] of [WRITE, READ].entries()) {
      const acl = {
        resourceType: kafkajs.AclResourceTypes.TOPIC,
        resourceName: 'out',
        resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
        principal: 'User:ANONYMOUS',
        host: '*',
        operation,
        permissionType: kafkajs.AclPermissionTypes.DENY,
      };
      await own.withAdmin(async (admin) => admin.createAcls({ acl: [acl] }));
      const refused = stream.sql(`INSERT INTO queue VALUES (${2 * id})`);
      await t.throwsAsync(refused, {
        message: /Broker: Topic authorization failed.* needs WRITE, READ and DESCRIBE on topic out .* READ on group sluice-outbox-/,
      });
      await own.withAdmin(async (admin) => admin.deleteAcls({ filters: [acl] }));
      // The broker may not have heard of it yet: then this one is told that its row is queued, too.
      await stream.sql(`INSERT INTO queue VALUES (${2 * id + 1})`).catch(() => undefined);
      t.deepEqual(await idsIn(t, own, 2 * id + 2), range(0, 2 * id + 2));
    }
  },
);

test.serial('what a gateway that was killed had not sent, the next one sends, each row once', async (t) => {
  const first = await useGateway(t);
  const outlet = await useOutlet(t, '', first);
  for (let i = 0; i < 20; i += 1) {
    await outlet.sql(`INSERT INTO source SELECT number + ${i * 500}, 'x' FROM numbers(500)`);
    if (i === 12) await first.kill();
    if (i === 12) break;
  }
  const second = await useGateway(t);
  const send = async (sql: string): Promise<void> => {
    const answer = await fetch(`${second.url}/?database=${outlet.database}`, { method: 'POST', body: sql });
    t.is(await answer.text(), '');
  };
  for (let i = 13; i < 20; i += 1) await send(`INSERT INTO source SELECT number + ${i * 500}, 'x' FROM numbers(500)`);
  t.deepEqual(await idsIn(t, outlet.own, 10_000), range(0, 10_000));
});

test.serial('of two gateways one sends, both take INSERTs, and when one leaves the other goes on', async (t) => {
  const gateways = [await useGateway(t), await useGateway(t)] as const;
  const outlet = await useOutlet(t, 'kafka_delivery_timeout_ms = 60000', gateways[0]);
  const insert = async (gateway: GatewayPart, id: number): Promise<void> => {
    const answer = await fetch(`${gateway.url}/?database=${outlet.database}`, {
      method: 'POST',
      body: `INSERT INTO queue VALUES (${id}, 'x')`,
    });
    t.is(await answer.text(), '');
  };
  // A gateway that does not know the table yet refuses rows for it.
  for (const { adminUrl } of gateways)
    await waitFor(async () => (await (await fetch(`${adminUrl}/status`)).text()).includes(outlet.database));
  for (let id = 0; id < 30; id += 1) await insert(gateways[id % 2] as GatewayPart, id);
  await gateways[0].stop();
  for (let id = 30; id < 40; id += 1) await insert(gateways[1], id);
  t.deepEqual(await idsIn(t, outlet.own, 40), range(0, 40));
});
