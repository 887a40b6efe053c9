import test from 'ava';
import {
  readClientHello,
  readServerHello,
  skipAddendum,
  writeClientHello,
  writeServerHello,
  writeException,
  readException,
} from '../../src/protocol/index.ts';
import { assertEveryCut, hex } from './helpers/cuts.ts';

const string = (text: string): string => Buffer.from([text.length]).toString('hex') + Buffer.from(text).toString('hex');

const CLIENT = hex(`00 ${string('ClickHouse client')} 1a07 d8a903 ${string('db')} ${string('me')} ${string('secret')}`);
const INTERSERVER = hex(
  `00 ${string('ClickHouse server')} 1a07 d8a903 00 ${string(' INTERSERVER SECRET ')} 00 ${string('cluster')} ${string('salt')}`,
);
const SERVER = hex(
  `00 ${string('ClickHouse')} 1a07 d8a903 08 ${string('Etc/UTC')} ${string('vm')} 02 ${string('notchunked_optional')} ${string('chunked')} 01 ${string('.{8}')} ${string('too short')}` +
    `b17c7e6c0d833fb0 ${string('async_insert')} 00 ${string('1')} 00 03 08`,
);

for (const [name, packet] of Object.entries({ client: CLIENT, 'server of the same cluster': INTERSERVER })) {
  test(`the Hello of a ${name} is read and written again wherever it is cut`, async (t) => {
    const hello = await assertEveryCut(t, packet, async (reader) => {
      await reader.u8();
      return readClientHello(reader);
    });
    t.is(hello.revision, 54488);
    t.deepEqual(writeClientHello(hello), packet);
  });
}

test("the server's Hello is read and written again wherever it is cut", async (t) => {
  const hello = await assertEveryCut(t, SERVER, async (reader) => {
    await reader.u8();
    return readServerHello(reader, 54488);
  });
  t.deepEqual(hello.framing, { send: 'notchunked_optional', receive: 'chunked' });
  t.deepEqual(writeServerHello(hello), SERVER);
});

test("the server's Hello has the fields of the revision that the client announced", async (t) => {
  const old = hex(`00 ${string('ClickHouse')} 1a07 d8a903 ${string('Etc/UTC')} ${string('vm')} 02`);
  const hello = await assertEveryCut(t, old, async (reader) => {
    await reader.u8();
    return readServerHello(reader, 54460);
  });
  t.is(hello.framing, undefined);
  t.deepEqual(writeServerHello(hello), old);
});

/** What a server of this revision says to a client that is newer. */
const OLDER: Readonly<Record<number, Buffer>> = {
  54465: hex(`00 ${string('ClickHouse')} 1708 c1a903 ${string('Etc/UTC')} ${string('vm')} 02 00 b17c7e6c0d833fb0`),
  54471: hex(
    `00 ${string('ClickHouse')} 180a c7a903 04 ${string('Etc/UTC')} ${string('vm')} 02 ${string('notchunked')} ${string('notchunked')} 00 b17c7e6c0d833fb0`,
  ),
  54478: hex(
    `00 ${string('ClickHouse')} 1907 cea903 07 ${string('Etc/UTC')} ${string('vm')} 02 ${string('notchunked')} ${string('notchunked')} 00 b17c7e6c0d833fb0` +
      `${string('async_insert')} 00 ${string('1')} 00 03`,
  ),
};

for (const [revision, packet] of Object.entries(OLDER)) {
  test(`the Hello of a server of revision ${revision} ends with the last field that it knows, however new the client is`, async (t) => {
    const hello = await assertEveryCut(t, packet, async (reader) => {
      await reader.u8();
      return readServerHello(reader, 54488);
    });
    t.is(hello.revision, Number(revision));
    t.deepEqual(writeServerHello(hello), packet);
  });
}

test('the addendum has the fields of its revision', async (t) => {
  await assertEveryCut(t, hex(`${string('key')} ${string('notchunked')} ${string('notchunked')} 08`), async (reader) =>
    skipAddendum(reader, 54488),
  );
  await assertEveryCut(t, hex(string('key')), async (reader) => skipAddendum(reader, 54460));
  await assertEveryCut(t, hex(''), async (reader) => skipAddendum(reader, 54412));
});

test('an exception is written as it is read', async (t) => {
  const exception = { code: 60, className: 'DB::Exception', message: 'DB::Exception: Unknown table ü' };
  const read = await assertEveryCut(t, writeException(exception), async (reader) => {
    await reader.u8();
    return readException(reader);
  });
  t.deepEqual(read, exception);
});
