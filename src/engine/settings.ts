/**
 * Every setting of the Kafka engine of ClickHouse 26.7 (`src/Storages/Kafka/KafkaSettings.cpp`), and our own: one table behind parsing,
 * defaults, checks, the README and tests. Setting names appear as strings here and in `arguments.ts`, `check.ts`, `extensions.ts`,
 * `options.ts` and `virtual-columns.ts`, nowhere else.
 */
export type SettingType = 'string' | 'uint64' | 'int64' | 'bool' | 'milliseconds' | 'char' | 'handle-error-mode';

/**
 * `works`: the gateway acts on it. `none`: accepted and kept, and the sentence says why it changes nothing here.
 * `later`: accepted and kept for a part of the engine that the gateway does not have yet (direct SELECT).
 */
export type SettingEffect = 'works' | 'none' | 'later';

export interface EngineSetting {
  readonly type: SettingType;
  /** As the server declares it, in text. */
  readonly default: string;
  readonly effect: SettingEffect;
  readonly sentence: string;
  /** A setting of the gateway's own: the server does not know it. */
  readonly extension?: true;
}

function works(type: SettingType, byDefault: string, sentence: string): EngineSetting {
  return { type, default: byDefault, effect: 'works', sentence };
}

function none(type: SettingType, byDefault: string, why: string): EngineSetting {
  return { type, default: byDefault, effect: 'none', sentence: why };
}

function later(type: SettingType, byDefault: string, sentence: string): EngineSetting {
  return { type, default: byDefault, effect: 'later', sentence };
}

function extension(type: SettingType, byDefault: string, sentence: string): EngineSetting {
  return { ...works(type, byDefault, sentence), extension: true };
}

export const ENGINE_SETTINGS = {
  kafka_broker_list: works('string', '', 'Comma-separated brokers, host:port. Required.'),
  kafka_topic_list: works('string', '', 'Comma-separated topics. Required.'),
  kafka_group_name: works('string', '', 'Consumer group, which keeps the positions. Required.'),
  kafka_format: works('string', '', 'Format of the messages. Required.'),
  kafka_schema: works('string', '', 'Schema of the format, passed on as format_schema.'),
  kafka_schema_registry_skip_bytes: works(
    'uint64',
    '0',
    'Bytes in front of every message that are not read, 0 to 255; a message without more makes no row.',
  ),
  kafka_num_consumers: works('uint64', '1', 'Consumers of the table in each gateway, as on each server.'),
  kafka_max_block_size: works(
    'uint64',
    '0',
    'Messages after which a block is inserted; 0: max_insert_block_size of the profile / consumers.',
  ),
  kafka_poll_max_batch_size: works(
    'uint64',
    '0',
    'A block is looked at after so many messages and may exceed kafka_max_block_size by them; 0: max_block_size of the profile.',
  ),
  kafka_poll_timeout_ms: works(
    'milliseconds',
    '0',
    'How long the broker may wait for messages to answer a fetch, at most 500 here; 0: stream_poll_timeout_ms of the profile.',
  ),
  kafka_flush_interval_ms: works('milliseconds', '0', 'Greatest age of a block; 0: stream_flush_interval_ms of the profile.'),
  kafka_consumer_reschedule_ms: none('milliseconds', '500', 'A consumer here never pauses between blocks: it waits for the broker.'),
  kafka_consumers_pool_ttl_ms: none('uint64', '60000', 'There is no pool: a consumer lives as long as its table has views.'),
  kafka_thread_per_consumer: works('bool', '0', 'Each consumer inserts its own blocks; otherwise all of the table gather them together.'),
  kafka_skip_broken_messages: works('uint64', '0', 'Broken rows of one message that are skipped (input_format_allow_errors_num).'),
  kafka_handle_error_mode: works(
    'handle-error-mode',
    'default',
    'A broken message stops its partition (default), becomes a row with `_error` and `_raw_message` (stream), or is put aside (dead_letter_queue).',
  ),
  kafka_commit_every_batch: none(
    'bool',
    '0',
    'It would commit before the insert and lose rows: here offsets are committed after it, always.',
  ),
  kafka_commit_on_select: later('bool', '0', 'Direct SELECT is not supported yet.'),
  kafka_max_rows_per_message: works('uint64', '1', 'Written: rows in one message, for formats of rows.'),
  kafka_map_virtual_columns_on_write: works(
    'bool',
    '0',
    'Written: columns `_key`, `_timestamp`, `_headers.name` and `_headers.value` of the table go to the message, and not into its body.',
  ),
  kafka_client_id: works(
    'string',
    '',
    'Client id; by default ClickHouse-host-database-table. With several consumers each gets a number behind it.',
  ),
  kafka_security_protocol: works('string', '', 'plaintext, ssl, sasl_plaintext or sasl_ssl; by default plaintext.'),
  kafka_sasl_mechanism: works(
    'string',
    '',
    'PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM; see Security of connections.',
  ),
  kafka_sasl_username: works('string', '', 'SASL user.'),
  kafka_sasl_password: works('string', '', 'SASL password; sealed in the catalog, shown as [HIDDEN].'),
  kafka_aws_region: works('string', '', "With AWS_MSK_IAM: the brokers' region; by default as their names say."),
  kafka_compression_codec: works('string', '', 'Written: none, gzip, snappy, lz4 or zstd; messages are read whatever their codec.'),
  kafka_compression_level: works('int64', '-1', "Written: the codec's level; -1: its own default."),
  kafka_autodetect_client_rack: none('string', '', 'The gateway fetches from the leaders of partitions, whatever rack they are in.'),
  kafka_keeper_path: none(
    'string',
    '',
    'Offsets are kept in the consumer group, where the server writes them as well; Keeper is not needed.',
  ),
  kafka_replica_name: none('string', '', 'Goes with kafka_keeper_path; gateways share the partitions as members of the group.'),
  kafka_consumer_acquire_timeout_ms: none('milliseconds', '30000', 'It is about offsets in Keeper, see kafka_keeper_path.'),
  kafka_row_delimiter: none('char', '', 'Obsolete, ignored by the server as well.'),
  kafka_check_on_create: extension(
    'bool',
    '1',
    'CREATE fails when the brokers cannot be reached, the credentials are refused, or topic, group or schema cannot be used; 0: it does not look.',
  ),
  kafka_dead_letter_topic: extension('string', '', 'With dead_letter_queue: a topic that broken messages are sent to as well.'),
  kafka_tombstones: extension('bool', '0', 'A message without value becomes a row with `_tombstone` = 1.'),
  kafka_key_format: extension('string', '', 'How the key is parsed: JSONEachRow or RawBLOB; by default it is not.'),
  kafka_key_columns: extension('string', '', 'Comma-separated columns that the key fills, one with RawBLOB.'),
  kafka_require_fsync: extension(
    'bool',
    '0',
    'Nothing is read before every table behind the views has fsync_after_insert and fsync_part_directory.',
  ),
  kafka_partitioner: extension(
    'string',
    'consistent_random',
    "Written: librdkafka's consistent_random (CRC-32 of the key), murmur2_random (as Java clients do), fnv1a_random (as Sarama does), each without _random (messages without key in one partition), or random.",
  ),
  kafka_wait_for_delivery: extension('bool', '1', 'INSERT is answered when Kafka has acknowledged its rows; 0: when the outbox has them.'),
  kafka_delivery_timeout_ms: extension(
    'milliseconds',
    '20000',
    'How long INSERT waits for that; then it fails, and its rows stay in the outbox and are sent later.',
  ),
  kafka_outbox_max_rows: extension('uint64', '0', 'Rows that wait in the outbox, above which INSERTs are refused; 0: no limit.'),
  kafka_outbox_max_bytes: extension(
    'uint64',
    '10737418240',
    'Bytes on disk of the rows that wait in the outbox, above which INSERTs are refused; 0: no limit.',
  ),
  kafka_outbox_max_age_ms: extension(
    'milliseconds',
    '0',
    'How long the oldest row may have waited in the outbox, above which INSERTs are refused; 0: no limit.',
  ),
  kafka_outbox_on_drop: extension(
    'string',
    'wait',
    'Rows in the outbox when the table is dropped: wait (as long as an INSERT would, then DROP fails) or drop.',
  ),
  kafka_sasl_oauthbearer_method: extension('string', '', 'With OAUTHBEARER: oidc, tokens come from a token endpoint.'),
  kafka_sasl_oauthbearer_client_id: extension('string', '', 'Id of the client that asks for tokens.'),
  kafka_sasl_oauthbearer_client_secret: extension('string', '', 'Its secret; sealed in the catalog, shown as [HIDDEN].'),
  kafka_sasl_oauthbearer_scope: extension('string', '', 'Scope that tokens are asked for.'),
  kafka_sasl_oauthbearer_extensions: extension('string', '', 'SASL extensions sent with a token: name=value,name=value.'),
  kafka_sasl_oauthbearer_token_endpoint_url: extension('string', '', 'Address that tokens are asked from, https://….'),
  kafka_https_ca_pem: extension(
    'string',
    '',
    "Authorities of the token endpoint's certificate, in PEM; by default those that Node.js knows.",
  ),
  kafka_https_ca_location: extension('string', '', 'The same as a file below kafka_ssl_folder.'),
  kafka_ssl_ca_pem: extension('string', '', "Authorities of the brokers' certificates, in PEM; by default those that Node.js knows."),
  kafka_ssl_ca_location: extension('string', '', 'The same as a file, or a folder of files, below kafka_ssl_folder.'),
  kafka_ssl_certificate_pem: extension('string', '', "The client's own certificate, in PEM."),
  kafka_ssl_certificate_location: extension('string', '', 'The same as a file below kafka_ssl_folder.'),
  kafka_ssl_key_pem: extension('string', '', 'Private key of that certificate, in PEM; sealed in the catalog, shown as [HIDDEN].'),
  kafka_ssl_key_location: extension('string', '', 'The same as a file below kafka_ssl_folder.'),
  kafka_ssl_key_password: extension('string', '', 'Password of that key; sealed in the catalog, shown as [HIDDEN].'),
  kafka_enable_ssl_certificate_verification: extension(
    'bool',
    '1',
    "0: brokers' certificates are not checked, and anybody in between can read and change everything.",
  ),
  kafka_ssl_endpoint_identification_algorithm: extension(
    'string',
    'https',
    'none: a certificate may be for any name, its authority is still checked.',
  ),
} as const satisfies Record<string, EngineSetting>;

/**
 * Settings of the server's, by name, that change its own engine (kafka-engine, "related settings"), and what they do to a table here. A stream reads them
 * from the service account's profile when it starts; those of a statement are the client's.
 */
export const PROFILE_SETTINGS: Readonly<Record<string, { readonly effect: SettingEffect; readonly sentence: string }>> = {
  max_insert_block_size: { effect: 'works', sentence: 'Default of kafka_max_block_size, divided by the consumers.' },
  max_block_size: { effect: 'works', sentence: 'Default of kafka_poll_max_batch_size.' },
  stream_flush_interval_ms: { effect: 'works', sentence: 'Default of kafka_flush_interval_ms.' },
  stream_poll_timeout_ms: { effect: 'works', sentence: 'Default of kafka_poll_timeout_ms.' },
  kafka_disable_num_consumers_limit: { effect: 'works', sentence: 'CREATE TABLE accepts more than 16 consumers; of the client.' },
  allow_experimental_kafka_offsets_storage_in_keeper: {
    effect: 'works',
    sentence: 'CREATE TABLE accepts kafka_keeper_path; of the client.',
  },
  stream_like_engine_allow_direct_select: { effect: 'later', sentence: 'Direct SELECT is not supported yet.' },
  kafka_max_wait_ms: { effect: 'later', sentence: 'Direct SELECT is not supported yet.' },
  materialized_views_ignore_errors: { effect: 'none', sentence: 'Always off for streams: a view that fails would lose rows.' },
  message_queue_disable_insertion: { effect: 'none', sentence: 'A setting of the server process; stop a stream with DETACH TABLE.' },
  background_message_broker_schedule_pool_size: { effect: 'none', sentence: "No thread of the server's consumes." },
};

/**
 * Settings of the server's for INSERTs that stay with a table when they stand among its SETTINGS, and go with every INSERT of its messages. The server's own
 * engine takes them for the CREATE statement's and forgets them.
 */
export const INSERT_SETTINGS: Readonly<Record<string, string>> = {
  insert_quorum: "Replicas that must have a block before its INSERT is answered, or 'auto' for a majority.",
  insert_quorum_timeout: 'How long is waited for them, in milliseconds; then the same INSERT is repeated.',
  insert_quorum_parallel: '0: one INSERT at a time waits for its quorum, so that sequential reads see all of them.',
  distributed_foreground_insert: '1: an INSERT through a Distributed table is answered when the shards have it, not when it is queued.',
};

export function isInsertSetting(name: string): boolean {
  return Object.hasOwn(INSERT_SETTINGS, name);
}

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
