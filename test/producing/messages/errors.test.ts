import test from 'ava';
import { ClickHouseUnreachable, createServiceClient, type SettingValues } from '../../../src/clickhouse/index.ts';
import { ClickHouseException } from '../../../src/errors.ts';
import { isAboutValue } from '../../../src/producing/messages/index.ts';
import { withoutQuery } from '../../../src/producing/messages/errors.ts';
import { freePort, useClickHouse } from '../../helpers/index.ts';

async function errorOf(url: string, sql: string, settings: SettingValues = {}): Promise<unknown> {
  const client = createServiceClient({ url, user: 'default', password: '' });
  try {
    for await (const piece of client.stream(sql, settings, new AbortController().signal)) if (piece.length < 0) break;
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await client.close();
  }
}

test('what a format cannot write is about the value', async (t) => {
  const { url } = await useClickHouse(t);
  for (const [sql, settings] of [
    [`SELECT formatRow('RawBLOB', ['a']) FORMAT RowBinary`, {}],
    [`SELECT formatRow('GeoJSON', [(0., 0.)]::LineString AS geometry) FORMAT RowBinary`, {}],
    [`SELECT formatRow('Protobuf', 1 AS a) FORMAT RowBinary`, { format_schema: 'nofile.proto:Row' }],
    [`SELECT formatRow('MsgPack', 1::UInt8::Variant(UInt8, String) AS a) FORMAT RowBinary`, {}],
  ] as const) {
    const error = await errorOf(url, sql, settings);
    t.true(error instanceof ClickHouseException, String(error));
    t.true(isAboutValue(error), String(error));
  }
});

test('want of memory, time, a table or a server is not', async (t) => {
  const { url } = await useClickHouse(t);
  const unreachable = `http://127.0.0.1:${await freePort()}`;
  for (const error of [
    await errorOf(url, 'SELECT groupArray(number) FROM numbers(10000000) FORMAT RowBinary', { max_memory_usage: 1_000_000 }),
    await errorOf(url, 'SELECT sum(sipHash64(number)) FROM numbers(100000000000) FORMAT RowBinary', { max_execution_time: 1 }),
    await errorOf(url, 'SELECT * FROM no_such_table FORMAT RowBinary'),
    await errorOf(unreachable, 'SELECT 1 FORMAT RowBinary'),
    new Error('other rows'),
  ]) {
    t.true(error instanceof ClickHouseException || error instanceof ClickHouseUnreachable || error instanceof Error);
    t.false(isAboutValue(error), String(error));
  }
});

test('a reason is told without the query that met it', (t) => {
  const told = (text: string): string => withoutQuery(new ClickHouseException(36, 'BAD_ARGUMENTS', text)).text;
  t.is(told(`No such thing: while executing function formatRow on arguments 'X'_String String Const(size = 0)`), 'No such thing');
  t.is(told(`No: such thing: while executing 'FUNCTION formatRow('X'_String :: 1) -> formatRow(…) String : 2'`), 'No: such thing');
  t.is(told('No such thing: While executing ORCBlockOutputFormat'), 'No such thing');
  t.is(told('No such thing'), 'No such thing');
});
