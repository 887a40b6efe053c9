import test from 'ava';
import {
  BufferReader,
  ByteWriter,
  EndOfBytes,
  ownQuery,
  patchClientRevision,
  ProtocolError,
  readQueryHead,
  skipQueryTail,
  withText,
  type QueryHead,
} from '../../src/protocol/index.ts';
import { assertEveryCut, hex } from './helpers/cuts.ts';

// Every field with a value that is not its default, at revision 54488; the server took it.
const FULL = hex(
  '0103712d3101000009302e302e302e303a30000000000000000001036f737504686f73740570726f62651a07d8a90302716b000201000102030405060708090a0b0c0d0e0f' +
    '2021222324252627036b3d7601000000030700066167656e74580001020272310272320e6d61785f626c6f636b5f73697a6501043130303000000002012b73656c6563' +
    '74207b703a537472696e677d2c20312073657474696e6773206d61785f746872656164733d31017002072769745c27732700',
);
// clickhouse-go 2.50 at 54460: `select 1 as x, 'abc' as s`.
const GO = Buffer.concat([
  hex('0100 010000 0f').subarray(0, 6),
  Buffer.from('127.0.0.1:41626'),
  hex('0000000000000000 01 00 02 766d 04 6e616d65 02 32 bca903 00000000000000 00 00 02 00 19'),
  Buffer.from("select 1 as x, 'abc' as s"),
  hex('00'),
]);

async function readQuery(reader: BufferReader, revision: number): Promise<QueryHead> {
  const head = await readQueryHead(reader, revision, reader.position - 1);
  await reader.skip(head.text.to - head.text.from);
  await skipQueryTail(reader, revision);
  return head;
}

async function readPacket(reader: BufferReader, revision: number): Promise<QueryHead> {
  await reader.u8();
  return readQuery(reader, revision);
}

const textOf = (head: QueryHead, bytes: Buffer): string => bytes.toString('utf8', head.text.from, head.text.to);

test('a Query packet with every field is read wherever it is cut', async (t) => {
  const head = await assertEveryCut(t, FULL, (reader) => readPacket(reader, 54488));
  t.is(textOf(head, FULL), 'select {p:String}, 1 settings max_threads=1');
  t.deepEqual([...head.settings.values], [['max_block_size', '1000']]);
  t.like(head, { stage: { value: 2 }, isCompressed: true, clientInfo: { queryKind: 1 } });
});

test('a Query packet of clickhouse-go is read wherever it is cut', async (t) => {
  const head = await assertEveryCut(t, GO, (reader) => readPacket(reader, 54460));
  t.is(textOf(head, GO), "select 1 as x, 'abc' as s");
  t.false(head.isCompressed);
});

test('another text leaves everything else of the packet as it was', async (t) => {
  const head = await readPacket(new BufferReader(FULL), 54488);
  const changed = withText({ head, bytes: FULL }, 54488, 'select 2');
  const text = 'select {p:String}, 1 settings max_threads=1';
  const at = FULL.indexOf(text) - 1;
  const expected = [FULL.subarray(0, at), Buffer.from('\x08select 2'), FULL.subarray(at + 1 + text.length)];
  t.deepEqual(changed, Buffer.concat(expected));
});

test('a packet with another text asks for the whole answer', async (t) => {
  const head = await readPacket(new BufferReader(GO), 54460);
  const partial = Buffer.from(GO);
  partial[head.stage.from] = 1;
  t.deepEqual(withText({ head, bytes: partial }, 54460, "select 1 as x, 'abc' as s"), GO);
});

test('a long text brings the setting that lets it pass', async (t) => {
  const head = await readPacket(new BufferReader(FULL), 54488);
  const sql = `select '${'x'.repeat(300_000)}'`;
  const changed = withText({ head, bytes: FULL }, 54488, sql, { max_query_size: sql.length + 1 });
  const again = await readPacket(new BufferReader(changed), 54488);
  t.is(textOf(again, changed), sql);
  t.is(again.settings.values.get('max_query_size'), String(sql.length + 1));
  t.is(again.settings.values.get('max_block_size'), '1000');
});

test("a query of the gateway's own keeps who asks and leaves out what for", async (t) => {
  const head = await readPacket(new BufferReader(FULL), 54488);
  const own = ownQuery({ head, bytes: FULL }, 54488, 'SELECT currentDatabase()');
  const read = await readPacket(new BufferReader(own), 54488);
  t.is(textOf(read, own), 'SELECT currentDatabase()');
  t.deepEqual(own.subarray(read.clientInfo.from, read.clientInfo.to), FULL.subarray(head.clientInfo.from, head.clientInfo.to));
  t.deepEqual(own.subarray(read.text.to), FULL.subarray(head.text.to), 'query parameters');
  t.deepEqual([...read.settings.values], [['output_format_native_encode_types_in_binary_format', '0']]);
  t.false(read.isCompressed);
});

test("a newer client's revision is lowered in place", async (t) => {
  const head = await readPacket(new BufferReader(FULL), 54488);
  const bytes = Buffer.from(FULL);
  patchClientRevision(head, bytes, 54460);
  t.deepEqual(bytes, Buffer.from(FULL.toString('hex').replace('1a07d8a903', '1a07bca903'), 'hex'));
});

/** As clickhouse-client 18.16 writes it, at 54412: values by the type of their setting. */
function oldQuery(settings: Buffer, sql: string): Buffer {
  const clientInfo = hex('010000 09302e302e302e303a30 01 00 02766d 11436c69636b486f75736520636c69656e74 12 10 8ca903 00 01');
  return new ByteWriter().u8(1).string('').raw(clientInfo).raw(settings).u8(0).u8(2).u8(1).string(sql).bytes();
}

const OLD_SETTINGS = new ByteWriter()
  .string('max_threads')
  .varuint(300)
  .string('load_balancing')
  .string('in_order')
  .string('max_block_size')
  .varuint(4)
  .string('totals_auto_threshold')
  .string('0.25')
  .string('receive_timeout')
  .varuint(0)
  .bytes();

for (const [name, settings] of Object.entries({ no: Buffer.alloc(0), some: OLD_SETTINGS })) {
  test(`a Query packet of a very old client with ${name} settings is read wherever it is cut`, async (t) => {
    const packet = oldQuery(settings, 'insert into t (a,s) values ');
    const head = await assertEveryCut(t, packet, (reader) => readPacket(reader, 54412), hex('0200'));
    t.is(textOf(head, packet), 'insert into t (a,s) values ');
    t.true(head.isCompressed);
  });
}

test('a Query packet with an absurd length is refused before it is read', async (t) => {
  for (const length of ['ffffffffffffffff7f', 'ffffffffffffffffff01', '8080808008', 'ffffff7f']) {
    await t.throwsAsync(readPacket(new BufferReader(hex(`01${length}`), Buffer.alloc(100)), 54488), { instanceOf: ProtocolError }, length);
  }
});

test('a Query packet whose text is longer than a string may be is refused', async (t) => {
  const head = await readPacket(new BufferReader(GO), 54460);
  const bytes = Buffer.concat([GO.subarray(0, head.text.lengthAt), hex('8080808008'), Buffer.alloc(100)]);
  await t.throwsAsync(readPacket(new BufferReader(bytes), 54460), { instanceOf: ProtocolError });
});

test('a Query packet with more settings or roles than anybody has is refused, also when they have one name', async (t) => {
  const head = await readPacket(new BufferReader(GO), 54460);
  const settings = Buffer.concat(Array.from({ length: 10_001 }, () => new ByteWriter().string('a').varuint(0).string('').bytes()));
  const many = Buffer.concat([GO.subarray(0, head.settings.from), settings, GO.subarray(head.settings.to)]);
  await t.throwsAsync(readPacket(new BufferReader(many), 54460), { instanceOf: ProtocolError, message: 'too many settings' });
  const full = await readPacket(new BufferReader(FULL), 54488);
  const beforeRoles = full.clientInfo.to - 1 - Buffer.from('r1_r2_').length;
  t.is(FULL[beforeRoles], 2, 'the number of roles');
  const roles = Buffer.concat([FULL.subarray(0, beforeRoles), new ByteWriter().varuint(10_001).bytes(), Buffer.alloc(20_000)]);
  await t.throwsAsync(readPacket(new BufferReader(roles), 54488), { instanceOf: ProtocolError, message: 'too many roles' });
});

test('settings of a very old client that never end cost no more with each piece', async (t) => {
  const start = oldQuery(Buffer.alloc(0), '').subarray(0, -4);
  // Each reads as a name with a number and as a name with a string.
  const piece = Buffer.from('\x01a\x01a'.repeat(1024), 'latin1');
  const reader = new BufferReader(start, ...Array.from({ length: 500 }, () => piece));
  const startedMs = performance.now();
  await t.throwsAsync(readPacket(reader, 54412));
  t.true(performance.now() - startedMs < 5_000, `${performance.now() - startedMs} ms`);
});

test('random bytes never do worse than being refused', async (t) => {
  let seed = 1;
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647);
  for (let run = 0; run < 2_000; run += 1) {
    const bytes = Buffer.from(FULL);
    for (let i = 0; i < 3; i += 1) bytes[1 + (random() % (bytes.length - 1))] = random() % 256;
    try {
      await readPacket(new BufferReader(bytes), 54488);
    } catch (error) {
      t.true(error instanceof ProtocolError || error instanceof EndOfBytes, String(error));
    }
  }
  t.pass();
});
