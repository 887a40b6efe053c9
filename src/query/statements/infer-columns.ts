import { NOT_LOGGED, tableOptions, type CheckedEngine, type KafkaTableOptions } from '../../engine/index.ts';
import { ClickHouseException, clickhouseError } from '../../errors.ts';
import { quoteIdentifier, quoteString, type CreateTable } from '../../sql/index.ts';
import type { DispatcherOptions, StatementContext } from '../context.ts';

type SampleTopics = NonNullable<DispatcherOptions['sampleTopics']>;

export interface InferredColumn {
  readonly name: string;
  readonly type: string;
}

/** A message's first line is no header when the server reads it for a Kafka table, and a type stands in one line. */
const FORCED = {
  print_pretty_type_names: '0',
  input_format_csv_detect_header: '0',
  input_format_tsv_detect_header: '0',
  input_format_custom_detect_header: '0',
};

/** Bytes of messages that the server is shown: the statement has to be shorter than max_query_size, and they are in it as hexadecimal. */
const MAX_SAMPLE_BYTES = 96 * 1024;

/** Formats whose messages stand one behind the other in lines: all of them together tell more than one. */
const IN_LINES =
  /^(?:JSONEachRow|JSONLines|NDJSON|JSONStringsEachRow|JSONCompactEachRow|JSONCompactStringsEachRow|CSV|TSV|TabSeparated|TSVRaw|TabSeparatedRaw|TSKV|LineAsString)$/i;

/**
 * The columns of a table whose statement names none, as the server infers them from messages of its topics (`DESC format(…)`, under the
 * client's credentials). `settings` are the table's, by name. Throws INCORRECT_QUERY with what to do when they cannot be inferred.
 */
export async function inferColumns(
  { settings, kafka }: Pick<CheckedEngine, 'settings' | 'kafka'>,
  table: { readonly database: string; readonly table: string },
  sampleTopics: SampleTopics,
  { session, options }: StatementContext,
): Promise<InferredColumn[]> {
  const ask = session.query.bind(session);
  const kafkaTable = await tableOptions(settings, { ...table, uuid: '' }, ask, { kafka, filesFolder: options.sources?.filesFolder });
  const samples = await samplesOf(kafkaTable, sampleTopics);
  const tail = formatSettingsClause(kafkaTable);
  let refusal: unknown;
  for (const sample of samples) {
    try {
      const rows = await ask(`DESC format(${quoteString(kafkaTable.format)}, unhex('${sample.toString('hex')}'))${tail}`);
      return rows.map(([name = '', type = '']) => ({ name, type }));
    } catch (error) {
      if (!(error instanceof ClickHouseException)) throw error;
      refusal ??= error;
    }
  }
  const reason = refusal instanceof ClickHouseException ? refusal.text : '';
  throw cannotInfer(`${kafkaTable.format} messages of ${namesOf(kafkaTable.topics)} do not tell them: ${reason}`);
}

/** What to show to the server, the best first. */
async function samplesOf(table: KafkaTableOptions, sampleTopics: SampleTopics): Promise<Buffer[]> {
  // A schema tells the columns without any message.
  if (table.schema !== '' || 'format_schema' in table.formatSettings) return [Buffer.alloc(0)];
  const { payloads, missing } = await asked(sampleTopics, table);
  if (payloads.length === 0) {
    const isNone = missing.length === table.topics.length;
    throw cannotInfer(isNone ? `${namesOf(missing)} does not exist` : `${namesOf(table.topics)} has no messages to infer them from`);
  }
  const alone = payloads.filter(({ length }) => length <= MAX_SAMPLE_BYTES);
  if (alone.length === 0) throw cannotInfer(`all sampled messages are longer than ${MAX_SAMPLE_BYTES} bytes`);
  return IN_LINES.test(table.format) ? [inLines(alone), ...alone] : alone;
}

async function asked(sampleTopics: SampleTopics, table: KafkaTableOptions): ReturnType<SampleTopics> {
  try {
    return await sampleTopics(table);
  } catch (error) {
    throw cannotInfer(`${namesOf(table.topics)} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const NEWLINE = Buffer.from('\n');

/** As many of the messages as fit, each ending its line. */
function inLines(messages: readonly Buffer[]): Buffer {
  const lines: Buffer[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (bytes + message.length + 1 > MAX_SAMPLE_BYTES) break;
    bytes += message.length + 1;
    lines.push(message, ...(message.at(-1) === 0x0a ? [] : [NEWLINE]));
  }
  return Buffer.concat(lines);
}

/** For a query that reads what such a table would read. */
export function formatSettingsClause({ schema, formatSettings }: Pick<KafkaTableOptions, 'schema' | 'formatSettings'>): string {
  const settings = { ...FORCED, ...(schema === '' ? {} : { format_schema: schema }), ...formatSettings };
  return ` SETTINGS ${Object.entries(settings)
    .map(([name, value]) => `${name} = ${quoteString(value)}`)
    .join(', ')}, ${NOT_LOGGED}`;
}

/** The column list of a statement. */
export function columnList(columns: readonly InferredColumn[]): string {
  return `(${columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`).join(', ')})`;
}

/** The statement makes a table and nothing in it says which columns. */
export function isWithoutColumns({ elements, asTable, verb }: CreateTable): boolean {
  return elements === undefined && asTable === undefined && verb !== 'ATTACH';
}

function namesOf(topics: readonly string[]): string {
  return `topic ${topics.map((topic) => `'${topic}'`).join(', ')}`;
}

/** The server's words, when nothing can be inferred in principle. */
export const NO_COLUMNS = 'Incorrect CREATE query: required list of column descriptions or AS section or SELECT';

function cannotInfer(reason: string): Error {
  return clickhouseError(
    'INCORRECT_QUERY',
    `The statement names no columns, and ${reason}. Name the columns, or try again when there are messages`,
  );
}
