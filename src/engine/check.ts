import { clickhouseError } from '../errors.ts';
import { propertiesOf, type KafkaSection } from '../librdkafka/index.ts';
import type { CreateTable, SettingAssignment } from '../sql/index.ts';
import { readArguments, REQUIRED_SETTINGS } from './arguments.ts';
import type { Ask } from './ask.ts';
import { collectionName, readCollectionArguments } from './collection-arguments.ts';
import { checkEngineFeatures, checkInsertableColumns } from './engine-features.ts';
import { checkExtensions } from './extensions.ts';
import { expandMacros, macrosOf, SETTINGS_WITH_MACROS } from './macros.ts';
import { NO_SOURCES, settingsOf, type Sources } from './named-collection.ts';
import { splitList } from './options.ts';
import { checkFiles } from './properties.ts';
import { checkReach, type Reached } from './reach-check.ts';
import { isTrue, readSettings, querySetting, type ReadSettings } from './read-settings.ts';
import { valueText, type SettingValue } from './setting-values.ts';
import { ENGINE_SETTINGS, isEngineSetting, type EngineSettingName } from './settings.ts';

export interface CheckedEngine {
  /** Settings that the statement gives, in arguments and SETTINGS, by name: the engine's, format settings and those of INSERTs (`INSERT_SETTINGS`). */
  readonly ownSettings: Readonly<Record<string, string>>;
  /** Name of the collection that gives the rest; absent: there is none. */
  readonly collection?: string;
  /** All of them, the collection's as well. */
  readonly settings: Readonly<Record<string, string>>;
  /** The `kafka` section that holds for the table. */
  readonly kafka: KafkaSection;
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
  /** Absent: there are none. */
  readonly sources?: Sources | undefined;
}

/** The server's limit is max(16, its cores), and it does not tell how many it has. */
const MAX_CONSUMERS = 16;
const MAX_POOL_TTL_MS = 600_000n;

/**
 * Checks a `CREATE TABLE … ENGINE = Kafka` in the server's order, and reads its settings; its columns, too, when it names them. `database` is the
 * table's. Throws the exception the real engine gives; like the real engine it contacts no broker and does not look the format up.
 * Errors in column types are left to the server, which meets them in the landing table.
 */
export async function checkKafkaTable(create: CreateTable, database: string, asked: Asked): Promise<CheckedEngine> {
  const { ask, deadLetterTable } = asked;
  checkInsertableColumns(create);
  const fromClause = await readSettings(create, ask, () => checkEngineFeatures(create, ask));
  const { texts, ...given } = await readEngine(create, fromClause, asked);
  const values = valuesOf(given.settings);
  await checkLimits(values, () => querySetting(create, 'kafka_disable_num_consumers_limit', ask));
  await checkOffsetsInKeeper(values, () => querySetting(create, 'allow_experimental_kafka_offsets_storage_in_keeper', ask));
  const expanded = await checkMacros(values, { database, table: create.name.table, ...(create.uuid && { uuid: create.uuid.value }) }, ask);
  checkPoolTtl(values);
  checkExtensions(values, create);
  checkFiles(values, asked.sources?.filesFolder);
  await checkDeadLetterQueue(values, deadLetterTable);
  await checkReach(wouldReach(given, expanded));
  return { ...given, querySettings: fromClause.querySettings, ...(create.engine?.args && { argumentTexts: texts }) };
}

/** What such a table would make the gateway connect to. */
function wouldReach({ settings, kafka }: Pick<CheckedEngine, 'settings' | 'kafka'>, expanded: Readonly<Record<string, string>>): Reached {
  const { consumer } = propertiesOf(kafka, splitList(expanded['kafka_topic_list'] ?? ''));
  return {
    brokers: splitList(expanded['kafka_broker_list'] || (consumer['metadata.broker.list'] ?? '')),
    registry: settings['format_avro_schema_registry_url'],
    tokenEndpoint: settings['kafka_sasl_oauthbearer_token_endpoint_url'] ?? consumer['sasl.oauthbearer.token.endpoint.url'],
  };
}

type ReadEngine = Pick<CheckedEngine, 'ownSettings' | 'settings' | 'collection' | 'kafka'> & { readonly texts: readonly string[] };

/** The settings of all sources, later ones over earlier: collection, arguments, SETTINGS. */
async function readEngine(create: CreateTable, fromClause: ReadSettings, { ask, sources = NO_SOURCES }: Asked): Promise<ReadEngine> {
  const args = create.engine?.args ?? [];
  const clause = { ...textsOf(fromClause.values), ...fromClause.formatSettings, ...fromClause.insertSettings };
  if (collectionName(args) === undefined) {
    const configured = new Set(hasBrokers(sources.kafka, clause) ? ['kafka_broker_list'] : []);
    const { values, texts } = await readArguments(args, new Set(fromClause.values.keys()), configured, ask);
    const settings = { ...textsOf(values), ...clause };
    return { ownSettings: settings, settings, kafka: sources.kafka, texts };
  }
  const { collection, overrides, texts } = await readCollectionArguments(create, ask, sources);
  const ownSettings = { ...overrides, ...clause };
  const settings = settingsOf({ settings: ownSettings }, collection);
  const kafka = collection.kafka ?? sources.kafka;
  requireSettings(settings, kafka, collection.name);
  return { ownSettings, settings, collection: collection.name, kafka, texts };
}

/** The server makes such a table, which then can neither read nor write. */
function requireSettings(settings: Readonly<Record<string, string>>, kafka: KafkaSection, collection: string): void {
  const isMissing = (name: string): boolean =>
    (settings[name] ?? '') === '' && !(name === 'kafka_broker_list' && hasBrokers(kafka, settings));
  const missing = REQUIRED_SETTINGS.filter(isMissing);
  if (missing.length === 0) return;
  const names = missing.map((name) => `'${name}'`).join(', ');
  const where = `neither the named collection \`${collection}\` nor the statement gives a value`;
  throw clickhouseError('NUMBER_OF_ARGUMENTS_DOESNT_MATCH', `Required parameter ${names} for storage Kafka not specified: ${where}`);
}

/** Whether the configuration names brokers for tables that name none. */
function hasBrokers(kafka: KafkaSection, settings: Readonly<Record<string, string>>): boolean {
  const topics = splitList(settings['kafka_topic_list'] ?? '');
  return (propertiesOf(kafka, topics).consumer['metadata.broker.list'] ?? '') !== '';
}

function textsOf(values: ReadonlyMap<EngineSettingName, SettingValue>): Record<string, string> {
  return Object.fromEntries([...values].map(([name, value]) => [name, valueText(value)]));
}

function valuesOf(settings: Readonly<Record<string, string>>): Values {
  return new Map(Object.entries(settings).flatMap(([name, text]) => (isEngineSetting(name) ? [[name, text] as const] : [])));
}

type Values = ReadonlyMap<EngineSettingName, string>;

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
  for (const name of SETTINGS_WITH_MACROS) expanded[name] = await expandMacros(values.get(name) ?? '', findAnyMacro);
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

function badArguments(text: string): Error {
  return clickhouseError('BAD_ARGUMENTS', text);
}
