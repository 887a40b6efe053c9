import { clickhouseError } from '../errors.ts';
import type { CreateTable, SettingAssignment } from '../sql/index.ts';
import { readArguments, type ReadArguments } from './arguments.ts';
import type { Ask } from './ask.ts';
import { checkEngineFeatures, checkInsertableColumns } from './engine-features.ts';
import { checkExtensions } from './extensions.ts';
import { expandMacros, macrosOf, SETTINGS_WITH_MACROS } from './macros.ts';
import type { TableRules } from './options.ts';
import { checkFiles } from './properties.ts';
import { checkReach } from './reach-check.ts';
import { readSettings, querySetting, type ReadSettings } from './read-settings.ts';
import type { SettingValue } from './setting-values.ts';
import { splitList } from './options.ts';
import { ENGINE_SETTINGS, type EngineSettingName } from './settings.ts';

export interface CheckedEngine {
  /** Values of the engine's settings, from arguments and SETTINGS, only those given. */
  readonly values: ReadonlyMap<EngineSettingName, SettingValue>;
  /** Format settings by name, values as text. */
  readonly formatSettings: Readonly<Record<string, string>>;
  /** Settings for INSERTs that stay with the table (`INSERT_SETTINGS`), values as text. */
  readonly insertSettings: Readonly<Record<string, string>>;
  /** Settings written among the engine's that belong to the query. */
  readonly querySettings: readonly SettingAssignment[];
  /** The arguments as SHOW CREATE TABLE will have them; undefined: the engine was written without parentheses. */
  readonly argumentTexts?: readonly string[];
}

/** Whom the checks ask, and what they go by. */
export interface Asked {
  readonly ask: Ask;
  /** Whether there is a table for dead letters, made when it is missing; absent: there is none. */
  readonly deadLetterTable?: (() => Promise<boolean>) | undefined;
  readonly rules?: TableRules;
}

/** The server's limit is max(16, its cores), and it does not tell how many it has. */
const MAX_CONSUMERS = 16;
const MAX_POOL_TTL_MS = 600_000n;

/**
 * Checks a `CREATE TABLE … ENGINE = Kafka` in the server's order, and reads its settings; its columns, too, when it names them. `database` is the
 * table's. Throws the exception the real engine gives; like the real engine it contacts no broker and does not look the format up.
 * Errors in column types are left to the server, which meets them in the landing table.
 */
export async function checkKafkaTable(
  create: CreateTable,
  database: string,
  { ask, deadLetterTable, rules }: Asked,
): Promise<CheckedEngine> {
  checkInsertableColumns(create);
  const settings = await readSettings(create, ask, () => checkEngineFeatures(create, ask));
  const { values: fromArguments, texts } = await readEngineArguments(create, settings, ask);
  const values = new Map([...settings.values, ...fromArguments]);
  await checkLimits(values, () => querySetting(create, 'kafka_disable_num_consumers_limit', ask));
  await checkOffsetsInKeeper(values, () => querySetting(create, 'allow_experimental_kafka_offsets_storage_in_keeper', ask));
  const expanded = await checkMacros(values, { database, table: create.name.table, ...(create.uuid && { uuid: create.uuid.value }) }, ask);
  checkPoolTtl(values);
  checkExtensions(values, create);
  checkFiles(values, rules?.filesFolder);
  await checkDeadLetterQueue(values, deadLetterTable);
  const { formatSettings, insertSettings, querySettings } = settings;
  const given = Object.fromEntries([...values].map(([name, value]) => [name, String(value)]));
  await checkReach(splitList(expanded['kafka_broker_list'] ?? ''), { ...given, ...formatSettings });
  return { values, formatSettings, insertSettings, querySettings, ...(create.engine?.args && { argumentTexts: texts }) };
}

async function readEngineArguments(create: CreateTable, settings: ReadSettings, ask: Ask): Promise<ReadArguments> {
  const args = create.engine?.args ?? [];
  if (args[0]?.value.kind === 'identifier') await refuseNamedCollection(args[0].value.name, ask);
  return readArguments(args, new Set(settings.values.keys()), ask);
}

/** Not supported yet; a collection that does not exist gets the server's own answer. This is the door where named collections come in. */
async function refuseNamedCollection(name: string, ask: Ask): Promise<never> {
  const [[found = '0'] = []] = await ask(`SELECT count() FROM system.named_collections WHERE name = '${name.replace(/['\\]/g, '\\$&')}'`);
  if (found === '0') throw clickhouseError('NAMED_COLLECTION_DOESNT_EXIST', `There is no named collection \`${name}\``);
  throw clickhouseError('NOT_IMPLEMENTED', `Named collections are not supported yet by the gateway (ENGINE = Kafka(${name}, …))`);
}

type Values = ReadonlyMap<EngineSettingName, SettingValue>;

function integerOf(values: Values, name: EngineSettingName): bigint {
  return BigInt(values.get(name) ?? ENGINE_SETTINGS[name].default);
}

async function checkLimits(values: Values, isLimitDisabled: () => Promise<string>): Promise<void> {
  const consumers = integerOf(values, 'kafka_num_consumers');
  if (consumers < 1n) throw badArguments('Number of consumers can not be lower than 1');
  if (consumers > MAX_CONSUMERS && !isTrue(await isLimitDisabled())) throw tooManyConsumers();
  for (const name of ['kafka_max_block_size', 'kafka_poll_max_batch_size'] as const) {
    if (values.has(name) && integerOf(values, name) < 1n) throw badArguments(`${name} can not be lower than 1`);
  }
  const skipped = integerOf(values, 'kafka_schema_registry_skip_bytes');
  if (skipped > 255n) throw badArguments(`kafka_schema_registry_skip_bytes value ${skipped} must be between 0 and 255`);
}

function tooManyConsumers(): Error {
  return badArguments(
    `The number of consumers can not be bigger than ${MAX_CONSUMERS}. A single consumer can read any number of partitions. ` +
      'Extra consumers are relatively expensive, and using a lot of them can lead to high memory and CPU usage. ' +
      'To achieve better performance of getting data from Kafka, consider using a setting kafka_thread_per_consumer=1, ' +
      'and ensure you have enough threads in MessageBrokerSchedulePool (background_message_broker_schedule_pool_size). ' +
      'See also https://clickhouse.com/docs/integrations/kafka/kafka-table-engine#tuning-performance',
  );
}

async function checkOffsetsInKeeper(values: Values, isAllowed: () => Promise<string>): Promise<void> {
  const given = (['kafka_keeper_path', 'kafka_replica_name'] as const).filter((name) => (values.get(name) ?? '') !== '');
  if (given.length === 0) return;
  if (!isTrue(await isAllowed())) {
    const setting = '`allow_experimental_kafka_offsets_storage_in_keeper`';
    throw clickhouseError(
      'SUPPORT_IS_DISABLED',
      `Storing the Kafka offsets in Keeper is experimental. Set ${setting} setting to enable it`,
    );
  }
  if (given.length === 1)
    throw badArguments('To store committed offsets in Keeper both kafka_keeper_path and kafka_replica_name must be specified');
}

/** Answers the settings that may hold macros, by name, with those expanded. */
async function checkMacros(values: Values, table: Parameters<typeof macrosOf>[0], ask: Ask): Promise<Readonly<Record<string, string>>> {
  const findMacro = macrosOf(table, ask);
  // A table without UUID in its statement gets one from the server later.
  const findAnyMacro = async (name: string): Promise<string | undefined> => (name === 'uuid' ? '' : findMacro(name));
  const expanded: Record<string, string> = {};
  for (const name of SETTINGS_WITH_MACROS) expanded[name] = await expandMacros(String(values.get(name) ?? ''), findAnyMacro);
  return expanded;
}

function checkPoolTtl(values: Values): void {
  const ttlMs = integerOf(values, 'kafka_consumers_pool_ttl_ms');
  const rescheduleMs = integerOf(values, 'kafka_consumer_reschedule_ms');
  if (ttlMs > MAX_POOL_TTL_MS) {
    const limit = `(greater then ${MAX_POOL_TTL_MS}), since this may cause live memory leaks`;
    throw badArguments(`The value of 'kafka_consumers_pool_ttl_ms' (${ttlMs}) cannot be too big ${limit}`);
  }
  if (ttlMs < rescheduleMs) {
    throw badArguments(
      `The value of 'kafka_consumers_pool_ttl_ms' (${ttlMs}) cannot be less than 'kafka_consumer_reschedule_ms' (${rescheduleMs})`,
    );
  }
}

/** The gateway keeps dead letters itself; where it cannot, the server's own words are the answer. */
async function checkDeadLetterQueue(values: Values, deadLetterTable: Asked['deadLetterTable']): Promise<void> {
  if (values.get('kafka_handle_error_mode') !== 'dead_letter_queue' || (await deadLetterTable?.()) === true) return;
  const table = 'The table system.dead_letter_queue is not configured on the server.';
  throw badArguments(`${table} You cannot create a table with this \`kafka_handle_error_mode\``);
}

function isTrue(value: string): boolean {
  return value === '1' || value === 'true';
}

function badArguments(text: string): Error {
  return clickhouseError('BAD_ARGUMENTS', text);
}
