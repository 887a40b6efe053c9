import test, { type ExecutionContext } from 'ava';
import { uniqueName, useClickHouse, useDatabase, useRegistry } from '../helpers/index.ts';
import { comparable, useOutbox, writeByBoth, type WrittenCase } from './produced-messages/both.ts';
import { avroConfluent, CASES, REFUSED } from './produced-messages/cases.ts';

async function compare(t: ExecutionContext, one: WrittenCase): Promise<void> {
  const rounds = [1, 3].map(async (maxRowsPerMessage) => writeByBoth(t, { ...one, maxRowsPerMessage }));
  for (const { native, ours } of await Promise.all(rounds)) {
    t.is(ours.error, native.error);
    // A case may meet what its format cannot write, and nothing else.
    t.notRegex(native.error ?? '', /SYNTAX_ERROR|TYPE_MISMATCH|NUMBER_OF|UNKNOWN_IDENT/);
    if (native.error !== undefined) continue;
    t.not(native.messages.length, 0);
    t.deepEqual(ours.messages.map(withComparableValue), native.messages.map(withComparableValue));
  }
}

function withComparableValue<M extends { readonly value: string | null }>(message: M): M {
  return { ...message, value: comparable(message.value) };
}

for (const [title, one] of Object.entries(CASES)) {
  test.serial(`an outbox's rows become the messages that the real engine writes: ${title}`, compare, one);
}

test.serial("an outbox's rows become the messages that the real engine writes: AvroConfluent", async (t) => {
  const registry = await useRegistry(t);
  await compare(t, avroConfluent(registry.url, uniqueName(t, 'subject')));
});

test.serial('every output format of the server is compared', async (t) => {
  const clickHouse = await useClickHouse(t);
  const formats = await clickHouse.query('SELECT name FROM system.formats WHERE is_output ORDER BY name');
  const compared = new Set([...Object.values(CASES).map(({ format }) => format), 'AvroConfluent']);
  t.deepEqual(
    formats.split('\n').filter((format) => !compared.has(format)),
    [],
  );
});

for (const [title, one] of Object.entries(REFUSED)) {
  test.serial(`a table that cannot be written to is refused in the real engine's words: ${title}`, async (t) => {
    const { native, ours } = await writeByBoth(t, one);
    t.regex(native.error ?? '', /^Code: \d+/);
    t.is(ours.error, native.error);
  });
}

const KEYED = `_key String, _timestamp DateTime, \`_headers.name\` Array(String), \`_headers.value\` Array(String), a UInt8`;
const KEYED_ROWS = [
  `SELECT * FROM values('${KEYED}', ('k1', '2020-01-02 03:04:05', ['h', 'h', 'é'], ['1', '2', ''], 1), ('', 0, [], [], 2), ('k3', 5, ['x'], ['y'], 3), ('k4', 0, [], [], 4))`,
];

for (const mapsVirtualColumns of [false, true]) {
  for (const format of ['JSONEachRow', 'CSVWithNames', 'JSONColumns', 'Avro']) {
    const where = mapsVirtualColumns ? 'leave the body when the table says so' : 'act on the message and stay in its body';
    test.serial(`_key, _timestamp and _headers that a table declares ${where}: ${format}`, async (t) => {
      await compare(t, { format, columns: KEYED, inserts: KEYED_ROWS, mapsVirtualColumns });
    });
  }
}

test.serial('a declared _key or _timestamp of another type is an ordinary column', async (t) => {
  for (const mapsVirtualColumns of [false, true]) {
    await compare(t, {
      format: 'JSONEachRow',
      columns: `_key Nullable(String), _timestamp DateTime64(3), \`_headers.name\` Array(LowCardinality(String)), a UInt8`,
      inserts: [`SELECT 'k', 5, ['h'], 1`],
      mapsVirtualColumns,
    });
    await compare(t, {
      format: 'JSONEachRow',
      columns: `_key LowCardinality(String), _timestamp DateTime('UTC'), a UInt8`,
      inserts: [`SELECT 'k', 5, 1`],
      mapsVirtualColumns,
    });
  }
});

const SAYING = '`_key`, `_timestamp`, `_headers`, `_tombstone`, a';
const PLAIN_TABLE = { format: 'JSONEachRow', columns: 'a UInt8', inserts: [], maxRowsPerMessage: 2 } as const;

test.serial('a row names key, timestamp and headers that its table does not declare, and the last row of a message decides', async (t) => {
  const outbox = await useOutbox(t, PLAIN_TABLE, await useDatabase(t));
  await outbox.insert(
    `SELECT * FROM values('k Nullable(String), t Nullable(DateTime64(3)), h Map(String, String), d UInt8, a UInt8',
      ('k1', '2020-01-02 03:04:05.678', map('x', '1'), 0, 1), ('k2', NULL, map('y', '2', 'z', ''), 0, 2), (NULL, '2020-01-02 03:04:05.678', map(), 0, 3))`,
    SAYING,
  );
  t.deepEqual(await outbox.render(), {
    messages: [
      {
        value: '{"a":1}\n{"a":2}\n',
        key: 'k2',
        timestampMs: undefined,
        headers: [
          ['y', '2'],
          ['z', ''],
        ],
      },
      { value: '{"a":3}\n', key: null, timestampMs: Date.UTC(2020, 0, 2, 3, 4, 5, 678), headers: [] },
    ],
  });
});

for (const format of ['JSONEachRow', 'JSON', 'JSONColumns', 'SQLInsert']) {
  test.serial(`a tombstone is a message of its own, without a value, between those of the rows around it: ${format}`, async (t) => {
    const outbox = await useOutbox(t, { ...PLAIN_TABLE, format, maxRowsPerMessage: 3 }, await useDatabase(t));
    await outbox.insert(
      `SELECT * FROM values('k Nullable(String), t Nullable(DateTime64(3)), h Map(String, String), d UInt8, a UInt8',
        ('a', NULL, map(), 0, 1), ('b', NULL, map(), 0, 2), ('gone', NULL, map('h', 'v'), 1, 0), (NULL, NULL, map(), 1, 0), ('c', NULL, map(), 0, 3))`,
      SAYING,
    );
    const { messages, error } = await outbox.render();
    t.is(error, undefined);
    t.deepEqual(
      messages.map(({ key, value, headers }) => [key, value === null, headers.length]),
      [
        ['b', false, 0],
        ['gone', true, 1],
        [null, true, 0],
        ['c', false, 0],
      ],
    );
  });
}

test.serial('parts come one after the other, each from its beginning, and a message never spans two', async (t) => {
  const outbox = await useOutbox(t, { ...PLAIN_TABLE, columns: 'a UInt64', maxRowsPerMessage: 100_000 }, await useDatabase(t));
  await outbox.insert('SELECT number FROM numbers(250000)');
  await outbox.insert('SELECT number + 250000 FROM numbers(3)');
  await outbox.insert('SELECT number + 250003 FROM numbers(120000)');
  const { messages } = await outbox.render();
  const rows = messages.map(({ value }) => (value ?? '').trimEnd().split('\n'));
  t.deepEqual(
    rows.map(({ length }) => length),
    [100_000, 100_000, 50_000, 3, 100_000, 20_000],
  );
  t.true(rows.flat().every((row, i) => row === `{"a":${i}}`));
});
