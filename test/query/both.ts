import type { ExecutionContext } from 'ava';
import { createCatalog, NamedCollections } from '../../src/catalog/index.ts';
import { createServiceClient, parseException } from '../../src/clickhouse/index.ts';
import { EMPTY_SECTION } from '../../src/librdkafka/index.ts';
import { silentLogger } from '../../src/logger.ts';
import { createDispatcher, type ClientSession, type Dispatcher } from '../../src/query/index.ts';
import { useClickHouse } from '../helpers/index.ts';
import { uniqueName } from '../helpers/names.ts';

/** The same statements sent to the native engine and through the dispatcher, each in a database of its own. */
export interface Both {
  /** The answers: body, or `CODE NAME text`; the database is printed as `DB`. */
  readonly native: (sql: string) => Promise<string>;
  readonly ours: (sql: string) => Promise<string>;
  /** Sent past the dispatcher, into our database. */
  readonly direct: (sql: string) => Promise<string>;
  /** Answers must be equal; `sql` is sent to both. */
  readonly same: (sql: string) => Promise<void>;
  readonly dispatcher: Dispatcher;
  readonly session: ClientSession;
  readonly catalog: ReturnType<typeof createCatalog>;
  readonly prepared: string[];
  readonly database: string;
}

export async function useBoth(t: ExecutionContext): Promise<Both> {
  const { url } = await useClickHouse();
  const databases = { native: uniqueName(t, 'n'), ours: uniqueName(t, 'o') };
  const send = async (database: string, sql: string, format = 'TabSeparatedRaw'): Promise<string> => {
    const target = new URL(url);
    const { username, password } = target;
    target.username = target.password = '';
    target.search = new URLSearchParams({ database, default_format: format, wait_end_of_query: '1' }).toString();
    const authorization = username === '' ? {} : { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
    const answer = await fetch(target, { method: 'POST', body: sql, headers: authorization });
    return answer.text();
  };
  for (const database of Object.values(databases)) await send('default', `CREATE DATABASE ${database}`);
  const client = createServiceClient({
    url: new URL(url).origin,
    user: new URL(url).username || 'default',
    password: new URL(url).password,
  });
  const collections = new NamedCollections({ client, configured: new Map(), logger: silentLogger() });
  const catalog = createCatalog({
    client,
    secretKeys: { current: 'key of the test' },
    collections,
    intervalMs: 3_600_000,
    logger: silentLogger(),
  });
  await catalog.refresh();
  t.teardown(async () => {
    for (const database of Object.values(databases)) await send('default', `DROP DATABASE ${database} SYNC`);
    await client.close();
  });

  const prepared: string[] = [];
  const dispatcher = createDispatcher({
    catalog,
    reconcile: () => catalog.refresh(),
    prepareForViewChange: async (tables) => {
      const names = tables.map(({ table }) => table);
      prepared.push(...names);
      return {
        resume: () => void prepared.push(...names.map((name) => `${name} resumed`)),
        end: () => void prepared.push(...names.map((name) => `${name} done`)),
      };
    },
    secretKeys: { current: 'key of the test' },
    sources: { kafka: EMPTY_SECTION, findCollection: async (name) => (await collections.find([name])).get(name) },
    logger: silentLogger(),
  });
  const session = sessionOf((sql) => send(databases.ours, sql, 'JSONCompactStringsEachRow'));
  const printed = (text: string): string => {
    const exception = parseException(text);
    const answer = exception ? `${exception.code} ${exception.exceptionName} ${exception.text}` : text.trimEnd();
    return answer.replaceAll(databases.native, 'DB').replaceAll(databases.ours, 'DB');
  };
  const native = async (sql: string): Promise<string> => printed(await send(databases.native, sql));
  const direct = async (sql: string): Promise<string> => printed(await send(databases.ours, sql));
  const ours = async (sql: string): Promise<string> => {
    if (dispatcher.classify(Buffer.from(sql).toString('latin1'), true) === 'forward') return direct(sql);
    const action = await dispatcher.dispatch(sql, session);
    if (action.kind === 'refuse') return printed(`${action.exception.message} (version 1)`);
    const answer = await direct(action.kind === 'run' ? action.sql : sql);
    if (!/^\d+ [A-Z_]+ /.test(answer)) await action.after?.(new AbortController().signal);
    action.ended?.();
    return answer;
  };
  const same = async (sql: string): Promise<void> => {
    const expected = await native(sql);
    t.is(await ours(sql), expected, sql);
  };
  return { native, ours, direct, same, dispatcher, session, catalog, prepared, database: databases.ours };
}

function sessionOf(send: (sql: string) => Promise<string>): ClientSession {
  const query = async (sql: string): Promise<string[][]> => {
    const text = await send(sql);
    const exception = parseException(text);
    if (exception) throw exception;
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as string[]);
  };
  return {
    setting: () => undefined,
    mayHaveTemporaryTables: false,
    brings: () => false,
    whileHere: async (work) => work(new AbortController().signal),
    query,
    run: query,
  };
}
