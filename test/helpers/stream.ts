import type { ExecutionContext } from 'ava';
import type { GatewayPart } from '../parts/gateway.ts';
import type { KafkaPart } from '../parts/kafka.ts';
import { assertNoStranger, useSharedGateway } from './gateway.ts';
import { uniqueName, useDatabase, useTopic } from './names.ts';
import { useClickHouse, useKafka } from './servers.ts';
import { PATIENCE_MS, waitFor } from '../parts/wait-for.ts';

/** A database and a topic of one test's own, and statements sent through a gateway. */
export interface Stream {
  readonly database: string;
  readonly topic: string;
  readonly group: string;
  readonly kafka: KafkaPart;
  readonly gateway: GatewayPart;
  /** Sends statements through the gateway, one after the other, with `database` as current database; the last one's answer. */
  sql(...statements: string[]): Promise<string>;
  /** Asks the server itself. */
  direct(statement: string): Promise<string>;
  /** `ENGINE = Kafka(…)` of this test's topic and group, flushing every 300 ms. `settings`: more of them, as SQL. */
  engine(options?: { format?: string; topic?: string; group?: string; settings?: string }): string;
  /** Waits until the query through the gateway answers `expected`. */
  answers(query: string, expected: string, timeoutMs?: number): Promise<void>;
}

/** Through the file's shared gateway unless one is given. The database is dropped when the test ends, which ends its streams. */
export async function useStream(t: ExecutionContext, options: { partitions?: number; gateway?: GatewayPart } = {}): Promise<Stream> {
  const kafka = await useKafka(t);
  const clickHouse = await useClickHouse(t);
  const gateway = options.gateway ?? (await useSharedGateway(t));
  assertNoStranger(t);
  const topic = await useTopic(t, options.partitions ?? 1);
  const database = await useDatabase(t);
  const group = uniqueName(t, 'group');
  t.teardown(() => {
    if (!t.passed) t.log(lastWarnings(gateway.logs(), database));
  });
  const sql = async (...statements: string[]): Promise<string> => {
    let answer = '';
    for (const statement of statements) answer = await send(gateway.url, database, statement);
    return answer;
  };
  return {
    database,
    topic,
    group,
    kafka,
    gateway,
    sql,
    direct: async (statement) => clickHouse.query(statement, { database }),
    engine: ({ format = 'JSONEachRow', settings = '', ...names } = {}) =>
      `ENGINE = Kafka('${kafka.brokers}', '${names.topic ?? topic}', '${names.group ?? group}', '${format}') ` +
      `SETTINGS kafka_flush_interval_ms = 300${settings === '' ? '' : `, ${settings}`}`,
    answers: async (query, expected, timeoutMs = PATIENCE_MS) => {
      await waitFor(
        async () => {
          const answer = await sql(query);
          if (answer !== expected) throw new Error(`answered ${JSON.stringify(answer)}, expected ${JSON.stringify(expected)}`);
          return true;
        },
        { timeoutMs, message: query },
      );
      t.pass();
    },
  };
}

const SHOWN_WARNINGS = 10;
const SHOWN_CHARACTERS = 300;

/** What the gateway last complained of, in this database or none, for whoever sees only the report of a test that failed. */
function lastWarnings(logs: string, database: string): string {
  const isOurs = (line: string): boolean => line.includes(database) || !line.includes('db_');
  const complaints = logs.split('\n').filter((line) => /^\{"level":[4-9]0\b/.test(line) && isOurs(line));
  return complaints
    .slice(-SHOWN_WARNINGS)
    .map((line) => line.slice(0, SHOWN_CHARACTERS))
    .join('\n');
}

async function send(url: string, database: string, statement: string): Promise<string> {
  const response = await fetch(`${url}/?database=${database}`, { method: 'POST', body: statement }).catch((e: unknown) => {
    throw new Error(`no answer from ${url} to ${statement}: ${String((e as Error).cause)}`, { cause: e });
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text.trimEnd();
}
