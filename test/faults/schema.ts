import { createOutSchema, type OutTable } from './out-schema.ts';

/** Where messages come from. Partitions may be added while the program runs. */
export interface Topic {
  readonly name: string;
  partitions: number;
  /** Share of messages that are not JSON. */
  readonly brokenShare: number;
}

/** What a target must hold: the messages that can be read, those that cannot, or all. */
export type Kept = 'readable' | 'broken';

/** A table that keeps what was read, and how it is asked what it holds. */
export interface Target {
  readonly name: string;
  readonly topics: readonly Topic[];
  readonly keeps: Kept;
  /** False: the server cannot leave out what it has had, so that rows may be there more than once. */
  readonly isExactlyOnce: boolean;
  /** Rows `offset, how often` for one partition; `{topic}` and `{partition}` are parameters. */
  readonly countsSql: string;
  /** Sum of the numbers in the partition's messages, each counted as often as it is there; absent where numbers are not kept. */
  readonly sumSql?: string;
  /** Moments of the first and the last insertion of one offset, `{offset}` a further parameter; absent where they are not kept. */
  readonly momentsSql?: string;
}

export interface Schema {
  readonly database: string;
  readonly topics: readonly Topic[];
  /** Groups and the topics that they read. */
  readonly readers: readonly (readonly [group: string, topics: readonly Topic[]])[];
  readonly targets: readonly Target[];
  /** Topics that are written through ClickHouse. */
  readonly outTables: readonly OutTable[];
  /** Tables that refuse for a while: the MergeTree ones. */
  readonly refusable: readonly string[];
  /** To be run in this order. */
  readonly statements: readonly string[];
  /** The same rows by another statement: what `ALTER TABLE … MODIFY QUERY` goes to and back. */
  readonly alteredView: { readonly name: string; readonly queries: readonly [string, string] };
  readonly kafkaTables: readonly string[];
}

export const DATABASE = 'faults';

const WINDOW = 'non_replicated_deduplication_window = 10000';
const BUCKET_OFFSETS = 100;

/** Rows of switches that are on; they are off when the server starts. */
export const THROW_SWITCH = `${DATABASE}.throw_switch`;
export const MEMORY_SWITCH = `${DATABASE}.memory_switch`;

/** What the server may have in all; the view that a switch makes greedy asks for more. */
export const SERVER_MEMORY_BYTES = 3 * 1024 ** 3;

export interface SchemaOptions {
  /** As in `kafka_broker_list`. */
  readonly brokers: string;
  /** Rows tell when they were inserted. Not for the peer: the server would find repeated blocks to be others. */
  readonly withMoments: boolean;
  readonly flushIntervalMs: number;
  /** Where broken messages go with `kafka_handle_error_mode = 'dead_letter_queue'`; no table has it when absent. */
  readonly deadLetterTable?: string;
  /** Kafka tables are written to, too. */
  readonly withWriting: boolean;
}

/** Topics, Kafka tables, views and targets of a run. */
export function createSchema(options: SchemaOptions): Schema {
  const orders: Topic = { name: 'faults-orders', partitions: 8, brokenShare: 0 };
  const returns: Topic = { name: 'faults-returns', partitions: 3, brokenShare: 0 };
  const notes: Topic = { name: 'faults-notes', partitions: 4, brokenShare: 0.005 };
  const clicks: Topic = { name: 'faults-clicks', partitions: 2, brokenShare: 0 };
  const bought = [orders, returns];
  const altered = alteredQueries();
  const letters = options.deadLetterTable === undefined ? undefined : lettersParts(options, notes, options.deadLetterTable);
  const out = options.withWriting ? createOutSchema(DATABASE, { ...options, piped: returns }) : undefined;
  return {
    database: DATABASE,
    outTables: out?.tables ?? [],
    topics: [orders, returns, notes, clicks],
    readers: [
      ['faults-bought', bought],
      ['faults-notes', [notes]],
      ...(letters?.readers ?? []),
      ...(out?.readers ?? []),
      ['faults-clicks', [clicks]],
    ],
    kafkaTables: ['bought_queue', 'notes_queue', 'clicks_queue', ...(letters?.kafkaTables ?? []), ...(out?.kafkaTables ?? [])],
    refusable: [
      'plain',
      'totals',
      'split',
      'moody',
      'altered',
      'cascade',
      'cascade_end',
      'notes',
      'notes_errors',
      'clicks',
      ...(out?.refusable ?? []),
    ],
    alteredView: { name: 'altered_view', queries: altered },
    statements: [
      `CREATE DATABASE IF NOT EXISTS ${DATABASE}`,
      `CREATE TABLE ${THROW_SWITCH} (on UInt8) ENGINE = Memory`,
      `CREATE TABLE ${MEMORY_SWITCH} (on UInt8) ENGINE = Memory`,
      ...['plain', 'moody', 'cascade', 'cascade_end', 'notes'].map((name) => rowsTable(name, options, WINDOW)),
      rowsTable('split', options, WINDOW, 'PARTITION BY n % 4'),
      rowsTable('altered', options, WINDOW, '', 'note String'),
      rowsTable('clicks', options, 'non_replicated_deduplication_window = 0'),
      rowsTable('notes_errors', options, WINDOW, '', 'error String'),
      `CREATE TABLE ${DATABASE}.totals (topic String, partition UInt64, bucket UInt64, seen AggregateFunction(sumMap, Array(UInt64), Array(UInt64)),
       total AggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY (topic, partition, bucket) SETTINGS ${WINDOW}`,
      kafkaTable('bought_queue', options, bought, 'faults-bought', 'kafka_num_consumers = 2'),
      kafkaTable('notes_queue', options, [notes], 'faults-notes', "kafka_handle_error_mode = 'stream'"),
      kafkaTable('clicks_queue', options, [clicks], 'faults-clicks'),
      view('cascade_view', 'cascade', `SELECT n, topic, partition, offset FROM ${DATABASE}.plain`),
      view('cascade_end_view', 'cascade_end', `SELECT n, topic, partition, offset FROM ${DATABASE}.cascade WHERE ${GREEDY}`),
      view('moody_view', 'moody', `SELECT ${MESSAGE} FROM ${DATABASE}.bought_queue WHERE ${MOODY}`),
      view('plain_view', 'plain', `SELECT ${MESSAGE} FROM ${DATABASE}.bought_queue`),
      view('split_view', 'split', `SELECT ${MESSAGE} FROM ${DATABASE}.bought_queue`),
      view('altered_view', 'altered', altered[0]),
      view(
        'totals_view',
        'totals',
        `SELECT _topic AS topic, _partition AS partition, intDiv(_offset, ${BUCKET_OFFSETS}) AS bucket, sumMapState([_offset], [toUInt64(1)]) AS seen,
         sumState(n) AS total FROM ${DATABASE}.bought_queue GROUP BY topic, partition, bucket`,
      ),
      view('notes_view', 'notes', `SELECT ${MESSAGE} FROM ${DATABASE}.notes_queue WHERE length(_error) = 0`),
      view('notes_errors_view', 'notes_errors', `SELECT ${MESSAGE}, _error AS error FROM ${DATABASE}.notes_queue WHERE length(_error) > 0`),
      view('clicks_view', 'clicks', `SELECT ${MESSAGE} FROM ${DATABASE}.clicks_queue`),
      ...(letters?.statements ?? []),
      ...(out?.statements ?? []),
    ],
    targets: [
      ...['plain', 'split', 'moody', 'cascade', 'cascade_end'].map((name) => rowsTarget(name, bought, options)),
      totalsTarget(bought),
      // The server knows a block that it has had by its view's query, too: a batch that is repeated after ALTER … MODIFY QUERY is another one.
      { ...rowsTarget('altered', bought, options), isExactlyOnce: false },
      rowsTarget('notes', [notes], options),
      { ...withoutSum(rowsTarget('notes_errors', [notes], options)), keeps: 'broken' },
      ...(letters?.targets ?? []),
      { ...rowsTarget('clicks', [clicks], options), isExactlyOnce: false },
    ],
  };
}

/** A table whose broken messages become dead letters: it reads the same topic in a group of its own. */
function lettersParts(
  options: SchemaOptions,
  topic: Topic,
  deadLetterTable: string,
): Pick<Schema, 'readers' | 'kafkaTables' | 'statements' | 'targets'> {
  return {
    readers: [['faults-letters', [topic]]],
    kafkaTables: ['letters_queue'],
    statements: [
      rowsTable('letters', options, WINDOW),
      kafkaTable('letters_queue', options, [topic], 'faults-letters', "kafka_handle_error_mode = 'dead_letter_queue'"),
      view('letters_view', 'letters', `SELECT ${MESSAGE} FROM ${DATABASE}.letters_queue`),
    ],
    targets: [rowsTarget('letters', [topic], options), deadLettersTarget([topic], deadLetterTable)],
  };
}

const MESSAGE = 'n, _topic AS topic, _partition AS partition, _offset AS offset';

// Some batches meet it, others do not.
const MOODY = `throwIf(_partition % 2 = 1 AND (SELECT count() FROM ${THROW_SWITCH}) > 0, 'the switch is on') = 0`;

// A gigabyte for each row, three times, where the switch is on: one string may not be longer.
const REPEATED = `repeat(repeat(leftPad(toString(n), 20, '0'), 1000), if((SELECT count() FROM ${MEMORY_SWITCH}) > 0, 50000, 0))`;
const GREEDY = `length(concat(${REPEATED}, ${REPEATED}, '', ${REPEATED})) < 1`;

function alteredQueries(): [string, string] {
  const query = (note: string): string => `SELECT ${MESSAGE}, ${note} AS note FROM ${DATABASE}.bought_queue`;
  return [query("''"), query('_key')];
}

function rowsTable(name: string, { withMoments }: SchemaOptions, setting: string, clause = '', column?: string): string {
  const columns = ['n UInt64', 'topic String', 'partition UInt64', 'offset UInt64', ...(column === undefined ? [] : [column])];
  if (withMoments) columns.push('at DateTime64(3) DEFAULT now64(3)');
  return `CREATE TABLE ${DATABASE}.${name} (${columns.join(', ')}) ENGINE = MergeTree ${clause} ORDER BY (topic, partition, offset) SETTINGS ${setting}`;
}

function kafkaTable(
  name: string,
  { brokers, flushIntervalMs }: SchemaOptions,
  topics: readonly Topic[],
  group: string,
  setting?: string,
): string {
  const settings = [`kafka_flush_interval_ms = ${flushIntervalMs}`, ...(setting === undefined ? [] : [setting])];
  return `CREATE TABLE ${DATABASE}.${name} (n UInt64) ENGINE = Kafka('${brokers}', '${topics.map((topic) => topic.name).join(',')}', '${group}', 'JSONEachRow')
    SETTINGS ${settings.join(', ')}`;
}

function view(name: string, target: string, query: string): string {
  return `CREATE MATERIALIZED VIEW ${DATABASE}.${name} TO ${DATABASE}.${target} AS ${query}`;
}

const OF_PARTITION = 'topic = {topic:String} AND partition = {partition:UInt64}';

function rowsTarget(name: string, topics: readonly Topic[], { withMoments }: SchemaOptions): Target {
  const table = `${DATABASE}.${name}`;
  return {
    name,
    topics,
    keeps: 'readable',
    isExactlyOnce: true,
    countsSql: `SELECT offset, count() FROM ${table} WHERE ${OF_PARTITION} GROUP BY offset ORDER BY offset`,
    sumSql: `SELECT sum(n) FROM ${table} WHERE ${OF_PARTITION}`,
    ...(withMoments && {
      momentsSql: `SELECT toUnixTimestamp64Milli(min(at)), toUnixTimestamp64Milli(max(at)) FROM ${table} WHERE ${OF_PARTITION} AND offset = {offset:UInt64}`,
    }),
  };
}

function totalsTarget(topics: readonly Topic[]): Target {
  const from = `FROM ${DATABASE}.totals WHERE ${OF_PARTITION}`;
  return {
    name: 'totals',
    topics,
    keeps: 'readable',
    isExactlyOnce: true,
    countsSql: `SELECT offset, often FROM (SELECT sumMapMerge(seen) AS all ${from}) ARRAY JOIN all.1 AS offset, all.2 AS often ORDER BY offset`,
    sumSql: `SELECT sumMerge(total) ${from}`,
  };
}

function deadLettersTarget(topics: readonly Topic[], table: string): Target {
  return {
    name: 'dead letters',
    topics,
    keeps: 'broken',
    isExactlyOnce: true,
    // The gateway's table keeps each letter once with FINAL.
    countsSql: `SELECT kafka_offset, count() FROM ${table} FINAL
      WHERE kafka_topic_name = {topic:String} AND kafka_partition = {partition:UInt64} GROUP BY kafka_offset ORDER BY kafka_offset`,
  };
}

function withoutSum({ sumSql: _, ...target }: Target): Target {
  return target;
}
