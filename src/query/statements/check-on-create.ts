import { tableOptions, type CheckedEngine, type KafkaTableOptions } from '../../engine/index.ts';
import { ClickHouseException, clickhouseError } from '../../errors.ts';
import { quoteString, type CreateTable } from '../../sql/index.ts';
import type { StatementContext, TableId } from '../context.ts';
import { formatSettingsClause } from './infer-columns.ts';

/**
 * Whether the table that a statement is about to make could be read: its format is one, its schema can be used, and brokers, topics, group and registry let us
 * in. Throws the exception that the statement is answered with. Looks at nothing when the table or the gateway's configuration says so, and for a table that
 * the server would not make (`isMade`): then that is the answer.
 */
export async function checkOnCreate(
  create: CreateTable,
  database: string,
  { settings, kafka }: Pick<CheckedEngine, 'settings' | 'kafka'>,
  isMade: () => Promise<boolean>,
  { session, options: { checkConnection, sources } }: StatementContext,
): Promise<void> {
  if (checkConnection === undefined || create.verb === 'ATTACH' || isNamedLater(create, settings)) return;
  const table = { database, table: create.name.table };
  const options = await tableOptions(settings, { ...table, uuid: create.uuid?.value ?? '' }, session.query.bind(session), {
    kafka,
    filesFolder: sources?.filesFolder,
  });
  if (!options.checkOnCreate || !(await isMade())) return;
  try {
    await checkFormat(options, session);
    await session.whileHere(async (gone) => checkConnection({ ...table, options }, gone));
  } catch (error) {
    throw error instanceof ClickHouseException ? asRefusal(table, error) : error;
  }
}

function asRefusal({ database, table }: TableId, { code, exceptionName, text }: ClickHouseException): ClickHouseException {
  const way = 'To create it without these checks set kafka_check_on_create = 0';
  return new ClickHouseException(code, exceptionName, `Kafka table ${database}.${table} is not created: ${text}. ${way}`);
}

/** The server chooses the UUID that a name is made of. */
function isNamedLater({ uuid }: CreateTable, settings: Readonly<Record<string, string>>): boolean {
  return uuid === undefined && Object.values(settings).some((value) => value.includes('{uuid}'));
}

type Session = StatementContext['session'];

async function checkFormat({ format, ...options }: KafkaTableOptions, session: Session): Promise<void> {
  const [known] = await session.query(`SELECT name FROM system.formats WHERE lower(name) = lower(${quoteString(format)})`);
  if (known === undefined) throw ofFormat(clickhouseError('UNKNOWN_FORMAT', `Unknown format ${format}`), 'Correct kafka_format');
  if (!WITH_SCHEMA_FILE.test(format)) return;
  try {
    await session.query(`DESC format(${quoteString(format)}, '')${formatSettingsClause(options)}`);
  } catch (error) {
    if (error instanceof ClickHouseException && isAboutSchema(error)) throw ofFormat(error, 'Correct kafka_schema');
  }
}

function ofFormat({ code, exceptionName, text }: ClickHouseException, advice: string): ClickHouseException {
  // What the server says to those who would have it tell the columns is of no use here.
  const reason = text.replace(/: The table structure cannot be extracted.*/s, '').replace(/\.$/, '');
  return new ClickHouseException(code, exceptionName, `step format failed: ${reason}. ${advice}`);
}

const WITH_SCHEMA_FILE = /^(?:Protobuf|ProtobufSingle|ProtobufList|CapnProto)$/i;
const CANNOT_PARSE_SCHEMA: readonly number[] = [432, 434];

/** Of all that may be said against inferring columns from a schema, what is said against reading messages by it as well. */
function isAboutSchema({ code, text }: ClickHouseException): boolean {
  return CANNOT_PARSE_SCHEMA.includes(code) || text.startsWith('Could not find a message named');
}
