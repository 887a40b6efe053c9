import type { ExecutionContext } from 'ava';
import { createCatalog } from '../../src/catalog/index.ts';
import { createServiceClient } from '../../src/clickhouse/index.ts';
import { outboxColumns, outboxName } from '../../src/engine/index.ts';
import { createHttpFrontEnd } from '../../src/frontend/http/index.ts';
import { createNativeFrontEnd } from '../../src/frontend/native/index.ts';
import { silentLogger } from '../../src/logger.ts';
import { createDispatcher, type Outboxes, type TableId } from '../../src/query/index.ts';
import { quoteIdentifier } from '../../src/sql/index.ts';
import { useClickHouse, useDatabase } from '../helpers/index.ts';

/** Front ends and dispatcher of a gateway whose outboxes are tables on the real server, and which sends nothing. */
export interface Writing {
  readonly database: string;
  readonly server: string;
  /** `http://127.0.0.1:<port>` of the front end. */
  readonly url: string;
  readonly nativePort: number;
  /** By way of the front end: body, or the exception's text. */
  readonly sql: (statement: string | Buffer, parameters?: Record<string, string>) => Promise<string>;
  /** Asks the server itself. */
  readonly direct: (statement: string) => Promise<string>;
  /** What the outboxes were asked, in order: `delivered q`. */
  readonly asked: string[];
  /** Takes the place of the outboxes' own answers. */
  readonly outboxes: Partial<Outboxes>;
}

export const KAFKA_ENGINE = "ENGINE = Kafka('127.0.0.1:1', 'topic', 'group', 'JSONEachRow')";

export async function useWriting(t: ExecutionContext): Promise<Writing> {
  const { url: server, nativePort: serverPort } = await useClickHouse(t);
  const database = await useDatabase(t);
  const client = createServiceClient({ url: server, user: 'default', password: '' });
  const catalog = createCatalog({ client, secretKeys: { current: 'key of the test' }, intervalMs: 3_600_000, logger: silentLogger() });
  await catalog.refresh();
  const asked: string[] = [];
  const own: Partial<Outboxes> = {};
  const outboxes: Outboxes = {
    prepare: async (table) => {
      asked.push(`prepare ${table.table}`);
      return own.prepare?.(table) ?? makeOutbox(table);
    },
    delivered: async (table, signal) => {
      asked.push(`delivered ${table.table}`);
      await own.delivered?.(table, signal);
    },
    sendSelected: async () => undefined,
    beforeDrop: async (table) => {
      asked.push(`beforeDrop ${table.table}`);
      await own.beforeDrop?.(table);
    },
  };
  const makeOutbox = async ({ database: at, table }: TableId): ReturnType<Outboxes['prepare']> => {
    const columns = catalog.find(at, table)?.columns ?? [];
    const names = columns.map(({ name }) => name);
    const declarations = [
      ...columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`),
      ...outboxColumns(new Set(names)).map(({ declaration }) => declaration),
    ];
    const name = `${quoteIdentifier(at)}.${quoteIdentifier(outboxName(table))}`;
    await client.command(`CREATE TABLE IF NOT EXISTS ${name} (${declarations.join(', ')}) ENGINE = MergeTree ORDER BY tuple()`, {
      allow_suspicious_low_cardinality_types: 1,
    });
    return { database: at, table: outboxName(table), columns: names };
  };
  const dispatcher = createDispatcher({
    catalog,
    reconcile: async () => catalog.refresh(),
    outboxes,
    secretKeys: { current: 'key of the test' },
    logger: silentLogger(),
  });
  const upstream = new URL(server);
  const common = { host: '127.0.0.1', port: 0, dispatcher, logger: silentLogger(), graceMs: 0 };
  const http = createHttpFrontEnd({ ...common, upstream: { url: upstream.origin } });
  const native = createNativeFrontEnd({ ...common, upstream: { host: upstream.hostname, port: serverPort }, signOfLifeMs: 20 });
  const [httpPort, nativePort] = await Promise.all([http.listen(), native.listen()]);
  t.teardown(async () => {
    await Promise.all([http.close(), native.close()]);
    await client.close();
  });
  const url = `http://127.0.0.1:${httpPort}`;
  const send = async (to: string, statement: string | Buffer, parameters: Record<string, string> = {}): Promise<string> => {
    const search = new URLSearchParams({ database, ...parameters }).toString();
    const answer = await fetch(`${to}/?${search}`, { method: 'POST', body: statement as string });
    return (await answer.text()).trimEnd();
  };
  return {
    database,
    server,
    url,
    nativePort,
    sql: async (statement, parameters) => send(url, statement, parameters),
    direct: async (statement) => send(server, statement),
    asked,
    outboxes: own,
  };
}
