import type { ExecutionContext } from 'ava';
import { ByteWriter, CLIENT_PACKETS } from '../../../src/protocol/index.ts';
import {
  InsertRefused,
  useNativeClient,
  type NativeAnswer,
  type NativeClient,
  type QueryOptions,
} from '../../frontend/native/helpers/native-client.ts';
import type { Answer, Column, Door, DoorOptions, Question } from './door.ts';

/** A client of the native protocol; its connection is closed when the test ends. */
export async function useNativeDoor(t: ExecutionContext, port: number, options: DoorOptions): Promise<Door> {
  const { database, user = 'default', password = '' } = options;
  const client = await useNativeClient(t, port, { database, user, password, isCompressed: true });
  return {
    name: 'native',
    ask: async (question) => answerOf(await ask(client, question)),
    start: async (question) => {
      await client.send(client.queryBytes(question.sql, queryOptions(client, question)));
      return {
        leave: () => void client.socket.destroy(),
        cancel: async () => {
          await client.send(Buffer.from([CLIENT_PACKETS.Cancel]));
          await client.readAnswer();
        },
      };
    },
  };
}

async function ask(client: NativeClient, question: Question): Promise<Pick<NativeAnswer, 'rows' | 'totals' | 'extremes' | 'exception'>> {
  const { sql, rows } = question;
  if (rows === undefined) return client.query(sql, queryOptions(client, question));
  try {
    await client.beginInsert(`${String(sql)} FORMAT Native`, queryOptions(client, question));
    await client.send(client.dataBytes(block(client, rows)));
    return await client.endInsert();
  } catch (error) {
    if (!(error instanceof InsertRefused)) throw error;
    return { rows: [], totals: [], extremes: [], exception: error.exception };
  }
}

function queryOptions(client: NativeClient, { settings, parameters = {}, queryId, table }: Question): QueryOptions {
  return {
    ...(settings !== undefined && { settings }),
    ...(queryId !== undefined && { queryId }),
    ...(table !== undefined && { tables: client.dataBytes(block(client, table), table.table) }),
    parameters: Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, quoted(value)])),
  };
}

/** Values of parameters are written as literals. */
function quoted(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function block(client: NativeClient, { name, values }: Column): Buffer {
  const writer = new ByteWriter();
  for (const value of values) writer.string(value);
  return client.blockOf(name, 'String', values.length, writer.bytes());
}

function answerOf({ rows, totals, extremes, exception }: Pick<NativeAnswer, 'rows' | 'totals' | 'extremes' | 'exception'>): Answer {
  if (exception === undefined) return { rows, totals, extremes };
  const text = exception.message.replace(/^DB::\w*Exception: /, '').replace(/\.$/, '');
  // What came before an error is nobody's result.
  return { rows: [], totals: [], extremes: [], refusal: { code: exception.code, text } };
}
