import test, { type ExecutionContext } from 'ava';
import {
  existingClickHouse,
  startClickHouse,
  startOwnClickHouse,
  type ClickHouseOptions,
  type ClickHousePart,
} from '../parts/clickhouse.ts';
import { existingKafka, startKafka, startOwnKafka, type KafkaOptions, type KafkaPart } from '../parts/kafka.ts';
import { startRegistry, type RegistryPart } from '../parts/registry.ts';

// One Kafka and one ClickHouse for all files of one `npm test`: test/run.ts starts them and names them to the workers here.
const { TEST_SLUICE_KAFKA, TEST_SLUICE_CLICKHOUSE, TEST_SLUICE_CLICKHOUSE_NATIVE_PORT } = process.env;

// A file that runs alone (`npx ava test/x.test.ts`) has servers of its own, shared by its tests.
let kafka: Promise<KafkaPart> | undefined;
let clickHouse: Promise<ClickHousePart> | undefined;
let registry: Promise<RegistryPart> | undefined;
let hasOwnClickHouse = TEST_SLUICE_CLICKHOUSE === undefined;
let ownOptions: ClickHouseOptions | undefined;

test.after.always('servers of this file are stopped', async () => {
  await (await kafka)?.stop();
  await (await clickHouse)?.stop();
  await (await registry)?.stop();
});

/** The Kafka shared by all tests: use topics and groups of your own (`uniqueName`). In tests and in `before` hooks. */
export async function useKafka(_t?: ExecutionContext): Promise<KafkaPart> {
  kafka ??= TEST_SLUICE_KAFKA === undefined ? startKafka() : Promise.resolve(existingKafka(TEST_SLUICE_KAFKA));
  return kafka;
}

/**
 * From now on `useClickHouse` answers a server of this file's own; with `options` even when `CLICKHOUSE_URL` names another. Call while the file is
 * being loaded.
 */
export function ownClickHouse(options?: ClickHouseOptions): void {
  hasOwnClickHouse = true;
  ownOptions = options ?? ownOptions;
}

/** The ClickHouse shared by all tests, or the file's own: use a database of your own (`useDatabase`). In tests and in `before` hooks. */
export async function useClickHouse(_t?: ExecutionContext): Promise<ClickHousePart> {
  clickHouse ??= hasOwnClickHouse
    ? startFileClickHouse()
    : Promise.resolve(existingClickHouse(TEST_SLUICE_CLICKHOUSE ?? '', Number(TEST_SLUICE_CLICKHOUSE_NATIVE_PORT)));
  return clickHouse;
}

async function startFileClickHouse(): Promise<ClickHousePart> {
  return ownOptions === undefined ? startClickHouse() : startOwnClickHouse(ownOptions);
}

/** The file's schema registry: use subjects of your own (`uniqueName`). In tests and in `before` hooks. */
export async function useRegistry(_t?: ExecutionContext): Promise<RegistryPart> {
  registry ??= startRegistry();
  return registry;
}

/** A broker for this test alone, which it may kill and restart. */
export async function useOwnKafka(t: ExecutionContext, options: KafkaOptions = {}): Promise<KafkaPart> {
  const own = await startOwnKafka(options);
  t.teardown(async () => own.stop());
  return own;
}

/** A server for this test alone, which it may kill and restart, with users and configuration of its own. */
export async function useOwnClickHouse(t: ExecutionContext, options: ClickHouseOptions = {}): Promise<ClickHousePart> {
  const own = await startOwnClickHouse(options);
  t.teardown(async () => own.stop());
  return own;
}
