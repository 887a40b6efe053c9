import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { useClickHouse } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

const TUTORIAL = fileURLToPath(new URL('../../examples/github/', import.meta.url));

/** The statements of `examples/github`, in a database of one test's own, on the stream's topic and group. */
export interface Tutorial {
  readonly stream: Stream;
  /** Not there yet: the tutorial makes it. Dropped when the test ends. */
  readonly database: string;
  /** The text of `examples/github/<name>.sql`. */
  readonly statement: (name: string) => string;
  /** Sends `count` events with the next numbers, from 1. */
  readonly produce: (count: number) => Promise<void>;
}

export async function useTutorial(t: ExecutionContext): Promise<Tutorial> {
  const stream = await useStream(t);
  const clickHouse = await useClickHouse(t);
  const database = `${stream.database}_tutorial`;
  t.teardown(async () => clickHouse.query(`DROP DATABASE IF EXISTS ${database} SYNC`));
  let produced = 0;
  return {
    stream,
    database,
    statement: (name) =>
      readFileSync(join(TUTORIAL, `${name}.sql`), 'utf8')
        .replaceAll('KafkaEngine', database)
        .replace("'127.0.0.1:9092'", `'${stream.kafka.brokers}'`)
        .replace("'github'", `'${stream.topic}'`)
        .replace("'clickhouse'", `'${stream.group}'`),
    produce: async (count) => {
      const numbers = Array.from({ length: count }, (_, index) => produced + index + 1);
      produced += count;
      const events = numbers.map((number) => JSON.stringify({ event_type: 'PushEvent', repo_name: 'sluice', number }));
      await stream.kafka.produce(stream.topic, events);
    },
  };
}
