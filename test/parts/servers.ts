import { startClickHouse, type ClickHousePart } from './clickhouse.ts';
import { startKafka, type KafkaPart } from './kafka.ts';

export interface Servers {
  readonly kafka: KafkaPart;
  readonly clickHouse: ClickHousePart;
  /** Stops both. */
  readonly stop: () => Promise<void>;
}

/** Starts Kafka and ClickHouse at the same time. When one of them fails, the other is stopped and the failure is thrown. */
export async function startServers(): Promise<Servers> {
  const [kafka, clickHouse] = await Promise.allSettled([startKafka(), startClickHouse()]);
  if (kafka.status === 'fulfilled' && clickHouse.status === 'fulfilled') {
    const stop = async (): Promise<void> => {
      await Promise.all([kafka.value.stop(), clickHouse.value.stop()]);
    };
    return { kafka: kafka.value, clickHouse: clickHouse.value, stop };
  }
  const failures: unknown[] = [];
  for (const part of [kafka, clickHouse]) {
    if (part.status === 'fulfilled') await part.value.stop();
    else failures.push(part.reason);
  }
  throw failures.length === 1 ? failures[0] : new AggregateError(failures, failures.map(String).join('\n'));
}
