import test, { type ExecutionContext } from 'ava';
import { ClickHouseException } from '../../src/errors.ts';
import { emptyBlock, SERVER_PACKETS, skipServerPacket } from '../../src/protocol/index.ts';
import { InsertRefused, useNativeClient, type ClientOptions, type NativeClient } from '../frontend/native/helpers/native-client.ts';
import { waitFor } from '../helpers/index.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { KAFKA_ENGINE, useWriting, type Writing } from '../query/writing.ts';

ownClickHouse();

const OUTBOX = '`.outbox.q`';

async function useQueue(t: ExecutionContext, options: ClientOptions = {}) {
  const writing = await useWriting(t);
  t.is(await writing.sql(`CREATE TABLE q (a UInt8, s String) ${KAFKA_ENGINE}`), '');
  const client = await useNativeClient(t, writing.nativePort, { database: writing.database, ...options });
  const rows = async (): Promise<string> => {
    const answer = await writing.direct(`SELECT 's ' || any(hex(s)), count(), sum(a) FROM ${OUTBOX} FORMAT TSV`);
    await writing.direct(`TRUNCATE TABLE ${OUTBOX}`);
    return answer;
  };
  return { ...writing, client, rows };
}

for (const [name, options] of Object.entries({
  compressed: { isCompressed: true },
  'not compressed': {},
  'by an old client': { revision: 54458 },
  'byte by byte': { isByteByByte: true },
})) {
  test(`rows as blocks, as values and of a SELECT, ${name}`, async (t) => {
    const { client, rows, asked } = await useQueue(t, options);
    await client.beginInsert('INSERT INTO q (a) VALUES');
    for (let i = 0; i < 3; i += 1) await client.send(client.dataBytes(client.blockOf('a', 'UInt8', 2, Buffer.from([1, 2]))));
    t.is((await client.endInsert()).exception, undefined);
    t.is(await rows(), 's \t6\t9');
    for (const sql of [
      "INSERT INTO q VALUES (1, 'x')",
      "INSERT INTO q SELECT 1, 'x'",
      'INSERT INTO q FORMAT CSV 1,x',
      'INSERT INTO q (* EXCEPT s) VALUES (1)',
    ]) {
      const { exception } = await client.query(sql);
      t.is(exception, undefined, sql);
      t.regex(await rows(), /^s (78)?\t1\t1$/, sql);
    }
    t.is(asked.filter((what) => what === 'delivered q').length, 5);
  });
}

test('data behind the statement in the same text, long, short and no text', async (t) => {
  const { client, rows } = await useQueue(t);
  const row = Buffer.from([1, 2, 0xff, 0xfe]);
  for (const count of [10, 1_000, 100_000, 1_000_000]) {
    const text = Buffer.concat([Buffer.from('INSERT INTO q FORMAT RowBinary\n'), Buffer.alloc(row.length * count, row)]);
    t.is((await client.query(text)).exception, undefined);
    t.is(await rows(), `s FFFE\t${count}\t${count}`);
  }
  t.is((await client.query('SELECT 1')).exception, undefined);
});

test('names as parameters', async (t) => {
  const { client, rows, database } = await useQueue(t);
  const parameters = { t: "'q'", d: `'${database}'` };
  for (const sql of ['INSERT INTO {t:Identifier} (a) VALUES (1)', 'INSERT INTO {d:Identifier}.{t:Identifier} (a) SELECT 1']) {
    t.is((await client.query(sql, { parameters })).exception, undefined);
    t.is(await rows(), 's \t1\t1');
  }
});

test('what delivery throws is an Exception packet instead of the end, and the connection goes on', async (t) => {
  const { client, outboxes, rows } = await useQueue(t);
  outboxes.delivered = async () => Promise.reject(new ClickHouseException(159, 'TIMEOUT_EXCEEDED', 'queued'));
  await client.beginInsert('INSERT INTO q (a) VALUES');
  await client.send(client.dataBytes(client.blockOf('a', 'UInt8', 2, Buffer.from([1, 2]))));
  const { exception } = await client.endInsert();
  t.deepEqual([exception?.code, exception?.message], [159, 'DB::Exception: queued']);
  t.is(await rows(), 's \t2\t3');
  outboxes.delivered = async () => Promise.resolve();
  t.is((await client.query('INSERT INTO q (a) VALUES (1)')).exception, undefined);
});

test('exceptions name the table and not its outbox', async (t) => {
  const { client, sql } = await useQueue(t);
  const refused = await t.throwsAsync(client.beginInsert('INSERT INTO q (nosuch) VALUES'), { instanceOf: InsertRefused });
  t.regex(refused.message, /^DB::Exception: No such column nosuch in table \w+\.q \([0-9a-f-]{36}\)$/);
  t.regex(
    await sql('INSERT INTO q (nosuch) VALUES (1)'),
    /^Code: 16\. DB::Exception: No such column nosuch in table \w+\.q \([0-9a-f-]{36}\)\. \(NO_SUCH/,
  );
});

/** Reads the beginning of an answer up to the third packet of this type. */
async function hearThree(client: NativeClient, wanted: number): Promise<void> {
  for (let heard = 0; heard < 3;) {
    const type = await client.reader.varuint();
    await skipServerPacket(client.reader, type, { revision: client.revision, isCompressed: client.isCompressed });
    if (type === wanted) heard += 1;
  }
}

/** Deliveries take until the answer is called. */
function holdDelivery(outboxes: Writing['outboxes']): () => void {
  let deliver = (): void => undefined;
  const delivery = new Promise<void>((resolve) => (deliver = resolve));
  outboxes.delivered = async () => delivery;
  return deliver;
}

test('a client that waits for Kafka hears that the gateway lives', async (t) => {
  const { client, outboxes } = await useQueue(t);
  const deliver = holdDelivery(outboxes);
  await client.beginInsert('INSERT INTO q (a) VALUES');
  await client.send(client.dataBytes(emptyBlock(client.revision)));
  await hearThree(client, SERVER_PACKETS.Progress);
  deliver();
  t.is((await client.readAnswer()).exception, undefined);
});

test('a Cancel ends the wait', async (t) => {
  const { client, outboxes } = await useQueue(t);
  const isAborted = new Promise<void>((resolve) => {
    outboxes.delivered = async (_table, signal) => {
      await client.send(Buffer.from([3]));
      await new Promise<void>((aborted) => signal?.addEventListener('abort', () => aborted()));
      resolve();
    };
  });
  const { exception } = await client.query('INSERT INTO q (a) VALUES (1)');
  t.is(exception?.code, 394);
  await isAborted;
  t.is((await client.query('SELECT 1')).exception, undefined);
});

test('a client that goes away ends the wait', async (t) => {
  const { client, outboxes } = await useQueue(t);
  const isAborted = new Promise<void>((resolve) => {
    outboxes.delivered = async (_table, signal) => {
      client.socket.destroy();
      await new Promise<void>((aborted) => signal?.addEventListener('abort', () => aborted()));
      resolve();
    };
  });
  await t.throwsAsync(client.query('INSERT INTO q (a) VALUES (1)'));
  await isAborted;
});

test('nobody waits for Kafka who does not wait for the server', async (t) => {
  const { client, asked } = await useQueue(t);
  t.is(
    (await client.query('INSERT INTO q (a) VALUES (1)', { settings: { async_insert: '1', wait_for_async_insert: '0' } })).exception,
    undefined,
  );
  t.deepEqual(asked, ['prepare q']);
});

const ODD = {
  'at stage FetchColumns': { stage: 0 },
  'at stage WithMergeableState': { stage: 1 },
  'from another server': { isSecondary: true },
};

for (const [name, options] of Object.entries(ODD)) {
  test(`an INSERT and a DROP ${name} are what they are to every client`, async (t) => {
    const { client, rows, asked, direct } = await useQueue(t);
    await client.beginInsert('INSERT INTO q (a) VALUES', options);
    await client.send(client.dataBytes(client.blockOf('a', 'UInt8', 2, Buffer.from([1, 2]))));
    t.is((await client.endInsert()).exception, undefined);
    t.is(await rows(), 's \t2\t3');
    for (const sql of ['INSERT INTO q SELECT 1, 2', 'WITH 1 AS x INSERT INTO q SELECT x, 2']) {
      t.is((await client.query(sql, options)).exception, undefined, sql);
      t.is(await rows(), 's 32\t1\t1', sql);
    }
    t.is(asked.filter((what) => what === 'delivered q').length, 3);
    t.is((await client.query('DESCRIBE TABLE q', options)).rows.map(([column]) => column).join(), 'a,s');
    t.is((await client.query(`CREATE TABLE other (a UInt8) ${KAFKA_ENGINE}`, options)).exception, undefined);
    t.is(await direct("SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = 'other'"), 'Null');
    t.is((await client.query('DROP TABLE q SYNC', options)).exception, undefined);
    t.true(asked.includes('beforeDrop q'));
  });
}

test("another server's remote() writes through the gateway, however long the delivery takes", async (t) => {
  const { client, rows, asked, direct, outboxes, nativePort, database } = await useQueue(t);
  const deliver = holdDelivery(outboxes);
  const inserting = direct(`INSERT INTO FUNCTION remote('127.0.0.1:${nativePort}', ${database}.q) SELECT number, 'x' FROM numbers(3)`);
  await waitFor(() => asked.includes('delivered q'), { message: 'the rows to be delivered' });
  // It hears signs of life that a server understands, as this one does, which began to wait later.
  await client.send(client.queryBytes("INSERT INTO q SELECT 1, 'x'", { isSecondary: true }));
  await hearThree(client, SERVER_PACKETS.Log);
  deliver();
  t.is(await inserting, '');
  t.is((await client.readAnswer()).exception, undefined);
  t.is(await rows(), 's 78\t4\t4');
});
