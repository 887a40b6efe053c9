/**
 * Every setting of the Kafka engine of ClickHouse 26.7 (`src/Storages/Kafka/KafkaSettings.cpp`): one table behind parsing, defaults and
 * checks. Setting names appear as strings here and in `arguments.ts`, `check.ts` and `options.ts`, nowhere else.
 */
export type SettingType = 'string' | 'uint64' | 'int64' | 'bool' | 'milliseconds' | 'char' | 'handle-error-mode';

/** `yes`: the gateway acts on it; `not-yet`: accepted and kept; `never`: it cannot mean anything here (obsolete, or about librdkafka's own workings). */
export type SettingEffect = 'yes' | 'not-yet' | 'never';

export interface EngineSetting {
  readonly type: SettingType;
  /** As the server declares it, in text. */
  readonly default: string;
  readonly effect: SettingEffect;
  readonly sentence: string;
  /** A setting of the gateway's own: the server does not know it. */
  readonly extension?: true;
}

function extension(type: SettingType, byDefault: string, sentence: string): EngineSetting {
  return { type, default: byDefault, effect: 'yes', sentence, extension: true };
}

function setting(type: SettingType, byDefault: string, effect: SettingEffect, sentence: string): EngineSetting {
  return { type, default: byDefault, effect, sentence };
}

export const ENGINE_SETTINGS = {
  kafka_broker_list: setting('string', '', 'yes', 'Comma-separated brokers, host:port. Required.'),
  kafka_topic_list: setting('string', '', 'yes', 'Comma-separated topics. Required.'),
  kafka_group_name: setting('string', '', 'yes', 'Consumer group. Required.'),
  kafka_format: setting('string', '', 'yes', 'Message format. Required.'),
  kafka_schema: setting('string', '', 'yes', 'Schema of the message format, passed on as format_schema.'),
  kafka_schema_registry_skip_bytes: setting('uint64', '0', 'not-yet', 'Bytes of envelope to strip from every message, 0 to 255.'),
  kafka_num_consumers: setting('uint64', '1', 'yes', 'Consumers of the table, in every gateway.'),
  kafka_max_block_size: setting('uint64', '0', 'yes', 'Rows in one inserted block; by default max_insert_block_size / consumers.'),
  kafka_poll_max_batch_size: setting('uint64', '0', 'yes', 'Messages of one poll; by default max_block_size.'),
  kafka_poll_timeout_ms: setting('milliseconds', '0', 'yes', 'Wait of one poll; by default stream_poll_timeout_ms.'),
  kafka_flush_interval_ms: setting('milliseconds', '0', 'yes', 'Greatest age of a block; by default stream_flush_interval_ms.'),
  kafka_consumer_reschedule_ms: setting('milliseconds', '500', 'never', 'Pause of a stalled consumer.'),
  kafka_consumers_pool_ttl_ms: setting('uint64', '60000', 'never', 'Life of an idle consumer of the server.'),
  kafka_thread_per_consumer: setting('bool', '0', 'yes', 'Each consumer flushes alone.'),
  kafka_skip_broken_messages: setting('uint64', '0', 'yes', 'Broken rows of one message that are skipped.'),
  kafka_handle_error_mode: setting(
    'handle-error-mode',
    'default',
    'yes',
    'What happens to broken messages: default, stream or dead_letter_queue.',
  ),
  kafka_commit_every_batch: setting('bool', '0', 'never', 'Commit before the insert: offsets here are committed after it, always.'),
  kafka_commit_on_select: setting('bool', '0', 'not-yet', 'Commit what a direct SELECT read.'),
  kafka_max_rows_per_message: setting('uint64', '1', 'not-yet', 'Rows in one produced message.'),
  kafka_map_virtual_columns_on_write: setting('bool', '0', 'not-yet', 'Columns named like virtual ones become message metadata.'),
  kafka_client_id: setting('string', '', 'yes', 'Client id; by default made of host, database and table.'),
  kafka_security_protocol: setting('string', '', 'yes', 'plaintext, ssl, sasl_plaintext or sasl_ssl.'),
  kafka_sasl_mechanism: setting('string', '', 'yes', 'SASL mechanism.'),
  kafka_sasl_username: setting('string', '', 'yes', 'SASL user.'),
  kafka_sasl_password: setting('string', '', 'yes', 'SASL password, sealed in the catalog.'),
  kafka_aws_region: setting('string', '', 'not-yet', 'Region for AWS_MSK_IAM.'),
  kafka_compression_codec: setting('string', '', 'not-yet', 'Compression of produced messages.'),
  kafka_compression_level: setting('int64', '-1', 'not-yet', 'Level of that compression.'),
  kafka_autodetect_client_rack: setting('string', '', 'not-yet', "Where to learn the client's rack from."),
  kafka_keeper_path: setting('string', '', 'not-yet', 'Path in Keeper for offsets (experimental).'),
  kafka_replica_name: setting('string', '', 'not-yet', 'Replica name for offsets in Keeper (experimental).'),
  kafka_consumer_acquire_timeout_ms: setting('milliseconds', '30000', 'not-yet', 'Wait of a direct SELECT with offsets in Keeper.'),
  kafka_row_delimiter: setting('char', '', 'never', 'Obsolete, ignored by the server as well.'),
  kafka_dead_letter_topic: extension('string', '', 'With dead_letter_queue: a topic that broken messages are sent to as well.'),
  kafka_tombstones: extension('bool', '0', 'Messages without value become rows, with `_tombstone` = 1 and the defaults of all columns.'),
  kafka_key_format: extension('string', '', 'How the key is parsed: JSONEachRow or RawBLOB; it is not by default.'),
  kafka_key_columns: extension('string', '', 'Comma-separated columns that the key fills; needs kafka_key_format.'),
} as const satisfies Record<string, EngineSetting>;

export type EngineSettingName = keyof typeof ENGINE_SETTINGS;

export function isEngineSetting(name: string): name is EngineSettingName {
  return Object.hasOwn(ENGINE_SETTINGS, name);
}

/**
 * Settings that are not the engine's own but stay with the table: the format settings (`src/Core/FormatFactorySettings.h`). Their names
 * begin with one of three words, but for these (found by giving every setting of 26.7 to a Kafka table and reading SHOW CREATE TABLE).
 * All other settings of the server, written among the engine's, belong to the query.
 */
const OTHER_FORMAT_SETTINGS: ReadonlySet<string> = new Set([
  'allow_special_bool_values_inside_variant',
  'bool_false_representation',
  'bool_true_representation',
  'check_conversion_from_numbers_to_enum',
  'column_names_for_schema_inference',
  'date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands',
  'date_time_input_format',
  'date_time_output_format',
  'date_time_overflow_behavior',
  'errors_output_format',
  'insert_distributed_one_random_shard',
  'interval_output_format',
  'into_outfile_create_parent_directories',
  'json_type_escape_dots_in_keys',
  'max_dynamic_subcolumns_in_json_type_parsing',
  'precise_float_parsing',
  'schema_inference_hints',
  'schema_inference_make_columns_nullable',
  'schema_inference_make_json_columns_nullable',
  'schema_inference_mode',
  'show_create_query_identifier_quoting_rule',
  'show_create_query_identifier_quoting_style',
  'type_json_allow_duplicated_key_with_literal_and_nested_object',
  'type_json_skip_duplicated_paths',
  'type_json_skip_invalid_typed_paths',
  'type_json_use_partial_match_to_skip_paths_by_regexp',
  'validate_experimental_and_suspicious_types_inside_nested_types',
]);

export function isFormatSetting(name: string): boolean {
  return /^(?:input_format_|output_format_|format_)/.test(name) || OTHER_FORMAT_SETTINGS.has(name);
}
