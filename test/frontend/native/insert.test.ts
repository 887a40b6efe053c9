import test, { type ExecutionContext } from 'ava';
import { ByteWriter, CLIENT_PACKETS, emptyBlock, SERVER_PACKETS } from '../../../src/protocol/index.ts';
import { useClickHouse, useDatabase } from '../../helpers/index.ts';
import { useNativeFrontEnd } from './helpers/front-end.ts';
import { useNativeClient, type ClientOptions, type NativeClient } from './helpers/native-client.ts';

interface Inserting {
  readonly client: NativeClient;
  readonly count: () => Promise<string>;
}

/** A client, and a table `t` with the columns. */
async function useTable(t: ExecutionContext, columns: string, options: ClientOptions = {}): Promise<Inserting> {
  const clickHouse = await useClickHouse(t);
  const { port } = await useNativeFrontEnd(t);
  const database = await useDatabase(t);
  await clickHouse.query(`CREATE TABLE ${database}.t (${columns}) ENGINE = Memory`);
  const client = await useNativeClient(t, port, { ...options, database });
  return { client, count: async () => clickHouse.query(`SELECT count() FROM ${database}.t`) };
}

async function assertUsable(t: ExecutionContext, client: NativeClient): Promise<void> {
  t.is((await client.query('MARKED REFUSE')).exception?.code, 36);
  t.deepEqual((await client.query('MARKED ASK SELECT 1')).rows, [['[["1"]]']]);
}

const strings = (rows: number): Buffer =>
  Buffer.concat(Array.from({ length: rows }, (_, i) => Buffer.from(`\x04${String(i).padStart(4, '0')}`)));

for (const isCompressed of [false, true]) {
  const name = isCompressed ? 'compressed' : 'not compressed';

  test(`an INSERT of many blocks passes, ${name}`, async (t) => {
    const { client, count } = await useTable(t, 's String', { isCompressed });
    for (let round = 0; round < 2; round += 1) {
      await client.beginInsert('INSERT INTO t VALUES');
      for (let i = 0; i < 50; i += 1) await client.send(client.dataBytes(client.blockOf('s', 'String', 1000, strings(1000))));
      t.is((await client.endInsert()).exception, undefined);
      await assertUsable(t, client);
    }
    t.is(await count(), '100000');
  });

  test(`an INSERT without blocks passes, ${name}`, async (t) => {
    const { client, count } = await useTable(t, 's String', { isCompressed });
    await client.beginInsert('INSERT INTO t VALUES');
    t.is((await client.endInsert()).exception, undefined);
    t.is(await count(), '0');
    await assertUsable(t, client);
  });

  test(`a Ping and a Cancel in the middle of an INSERT pass, ${name}`, async (t) => {
    const { client, count } = await useTable(t, 's String', { isCompressed });
    await client.beginInsert('INSERT INTO t VALUES');
    await client.send(client.dataBytes(client.blockOf('s', 'String', 10, strings(10))));
    await client.send(Buffer.from([CLIENT_PACKETS.Ping]));
    await client.send(Buffer.from([CLIENT_PACKETS.Cancel]));
    const { packets, exception } = await client.readAnswer();
    t.true(packets.includes(SERVER_PACKETS.Pong));
    t.is(exception, undefined);
    await assertUsable(t, client);
    t.true(Number(await count()) <= 10);
  });

  test(`an INSERT into a table that is missing fails with its code, ${name}`, async (t) => {
    const { client } = await useTable(t, 's String', { isCompressed });
    t.is((await client.query('INSERT INTO nope VALUES')).exception?.code, 60);
    await assertUsable(t, client);
  });

  test(`an INSERT that fails after its rows were sent fails with its code, ${name}`, async (t) => {
    const { client } = await useTable(t, "s String, CONSTRAINT c CHECK s != '0005'", { isCompressed });
    await client.beginInsert('INSERT INTO t VALUES');
    await client.send(client.dataBytes(client.blockOf('s', 'String', 10, strings(10))));
    t.is((await client.endInsert()).exception?.code, 469);
    await assertUsable(t, client);
  });

  test(`an INSERT with its rows in the text passes, ${name}`, async (t) => {
    const { client, count } = await useTable(t, 's String', { isCompressed });
    t.is((await client.query("INSERT INTO t VALUES ('a'), ('b')")).exception, undefined);
    t.is((await client.query("INSERT INTO t SELECT 'c'")).exception, undefined);
    t.is(await count(), '3');
    await assertUsable(t, client);
  });

  test(`INSERT … SELECT … FROM input() passes, ${name}`, async (t) => {
    const { client, count } = await useTable(t, 's String', { isCompressed });
    await client.beginInsert("INSERT INTO t SELECT upper(x) FROM input('x String') FORMAT Native");
    await client.send(client.dataBytes(client.blockOf('x', 'String', 10, strings(10))));
    t.is((await client.endInsert()).exception, undefined);
    t.is(await count(), '10');
    await assertUsable(t, client);
  });
}

// A state of sum() is a UInt64. Its type is one of those whose values have no length.
const STATES = Buffer.alloc(16, 1);

for (const isCompressed of [false, true]) {
  test(`an INSERT of a column that cannot be walked passes, ${isCompressed ? 'compressed' : 'not compressed'}`, async (t) => {
    const { client, count } = await useTable(t, 's AggregateFunction(sum, UInt64)', { isCompressed });
    for (let round = 0; round < 2; round += 1) {
      await client.beginInsert('/* c */ INSERT INTO t VALUES');
      for (let i = 0; i < 5; i += 1) await client.send(client.dataBytes(client.blockOf('s', 'AggregateFunction(sum, UInt64)', 2, STATES)));
      t.is((await client.endInsert()).exception, undefined);
      await assertUsable(t, client);
    }
    t.is(await count(), '20');
  });
}

test('a failed INSERT of a column that cannot be walked ends the connection after the exception', async (t) => {
  const { client } = await useTable(t, 's AggregateFunction(sum, UInt64), CONSTRAINT c CHECK finalizeAggregation(s) = 0');
  await client.beginInsert('INSERT INTO t VALUES');
  await client.send(client.dataBytes(client.blockOf('s', 'AggregateFunction(sum, UInt64)', 2, STATES)));
  t.is((await client.endInsert()).exception?.code, 469);
  await t.throwsAsync(client.query('SELECT 1'), { name: 'EndOfBytes' });
});

test('an external table with a column that cannot be walked is refused with a reason', async (t) => {
  const { client } = await useTable(t, 'a UInt8');
  const tables = client.dataBytes(client.blockOf('s', 'AggregateFunction(sum, UInt64)', 2, STATES), 'ext');
  const { exception } = await client.query('SELECT finalizeAggregation(s) FROM ext', { tables });
  t.is(exception?.code, 48);
  t.regex(exception?.message ?? '', /AggregateFunction\(sum, UInt64\)/);
});

test('an INSERT whose types are no names passes, and the connection goes on', async (t) => {
  const { client, count } = await useTable(t, 's String');
  const settings = { input_format_native_decode_types_in_binary_format: '1' };
  const info = emptyBlock(client.revision).subarray(0, -2);
  // The number of String is 21.
  const block = new ByteWriter().raw(info).varuint(1).varuint(1).string('s').u8(0x15).u8(0).string('x').bytes();
  for (let round = 0; round < 2; round += 1) {
    await client.beginInsert('INSERT INTO t VALUES', { settings });
    await client.send(client.dataBytes(block));
    t.is((await client.endInsert()).exception, undefined);
    await assertUsable(t, client);
  }
  t.is(await count(), '2');
});
