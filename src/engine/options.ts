import { EMPTY_SECTION, mergeProperties, propertiesOf, type KafkaSection } from '../librdkafka/index.ts';
import type { Ask } from './ask.ts';
import { columnNames } from './extensions.ts';
import { expandMacros, macrosOf, SETTINGS_WITH_MACROS } from './macros.ts';
import { propertiesOfSettings } from './properties.ts';
import { ENGINE_SETTINGS, isEngineSetting, isInsertSetting, type EngineSettingName } from './settings.ts';
import type { KafkaTableOptions, WriteOptions } from './types.ts';

/** What the gateway's configuration says about all tables. */
export interface TableRules {
  /** The `kafka` section that holds for the table; absent: an empty one. */
  readonly kafka?: KafkaSection;
  /** Where files are that tables may name; undefined: nowhere. */
  readonly filesFolder?: string | undefined;
}

/**
 * The options of a table from its settings by name (`settingsOf` a definition, secrets included), macros expanded, and from the `kafka` section that holds for
 * it. `ask` answers the server's macros. Throws the server's exception when one is not known, one for a file that may not be named, and what `ask` throws.
 */
export async function tableOptions(
  settings: Readonly<Record<string, string>>,
  table: { readonly database: string; readonly table: string; readonly uuid: string },
  ask: Ask,
  { kafka = EMPTY_SECTION, filesFolder }: TableRules = {},
): Promise<KafkaTableOptions> {
  const findMacro = macrosOf(table, ask);
  const expanded: Record<string, string> = { ...settings };
  for (const name of SETTINGS_WITH_MACROS) expanded[name] = await expandMacros(settings[name] ?? '', findMacro);
  const text = (name: EngineSettingName): string => expanded[name] ?? ENGINE_SETTINGS[name].default;
  const count = (name: EngineSettingName): number => Number(text(name));
  const topics = splitList(text('kafka_topic_list'));
  const { consumer, producer } = propertiesOf(kafka, topics);
  const own = propertiesOfSettings(expanded, filesFolder);
  const properties = { consumer: mergeProperties([consumer, own]), producer: mergeProperties([producer, own]) };
  const produced = (name: string, setting: EngineSettingName): string => properties.producer[name] ?? text(setting);
  return {
    brokers: splitList(text('kafka_broker_list') || (consumer['metadata.broker.list'] ?? '')),
    topics,
    groupName: text('kafka_group_name'),
    format: text('kafka_format'),
    schema: text('kafka_schema'),
    clientId: text('kafka_client_id') || (consumer['client.id'] ?? ''),
    numConsumers: count('kafka_num_consumers'),
    threadPerConsumer: text('kafka_thread_per_consumer') === '1',
    ...unlessZero('maxBlockSize', count('kafka_max_block_size')),
    ...unlessZero('pollMaxBatchSize', count('kafka_poll_max_batch_size')),
    ...unlessZero('pollTimeoutMs', count('kafka_poll_timeout_ms')),
    ...unlessZero('flushIntervalMs', count('kafka_flush_interval_ms')),
    skipBytes: count('kafka_schema_registry_skip_bytes'),
    skipBrokenMessages: count('kafka_skip_broken_messages'),
    handleErrorMode: text('kafka_handle_error_mode') as KafkaTableOptions['handleErrorMode'],
    deadLetterTopic: text('kafka_dead_letter_topic'),
    tombstones: text('kafka_tombstones') === '1',
    keyFormat: text('kafka_key_format') as KafkaTableOptions['keyFormat'],
    keyColumns: columnNames(text('kafka_key_columns')),
    properties,
    checkOnCreate: text('kafka_check_on_create') === '1',
    requireFsync: text('kafka_require_fsync') === '1',
    write: {
      maxRowsPerMessage: count('kafka_max_rows_per_message'),
      mapsVirtualColumns: text('kafka_map_virtual_columns_on_write') === '1',
      compressionCodec: produced('compression.codec', 'kafka_compression_codec'),
      compressionLevel: Number(produced('compression.level', 'kafka_compression_level')),
      partitioner: produced('partitioner', 'kafka_partitioner') as WriteOptions['partitioner'],
      waitsForDelivery: text('kafka_wait_for_delivery') === '1',
      deliveryTimeoutMs: count('kafka_delivery_timeout_ms'),
      outboxMaxRows: count('kafka_outbox_max_rows'),
      outboxMaxBytes: count('kafka_outbox_max_bytes'),
      outboxMaxAgeMs: count('kafka_outbox_max_age_ms'),
      onDrop: text('kafka_outbox_on_drop') as WriteOptions['onDrop'],
    },
    formatSettings: only(settings, (name) => !isEngineSetting(name) && !isInsertSetting(name)),
    insertSettings: only(settings, isInsertSetting),
  };
}

function only(settings: Readonly<Record<string, string>>, isWanted: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => isWanted(name)));
}

/** Split at commas and trimmed; empty items stay, as on the server, and fail at the broker. */
export function splitList(text: string): string[] {
  return text.split(',').map((item) => item.trim());
}

/** 0 means "not given" for these: the server takes its own default. */
function unlessZero<Name extends string>(name: Name, value: number): { [name in Name]?: number } {
  return value === 0 ? {} : ({ [name]: value } as { [name in Name]: number });
}
