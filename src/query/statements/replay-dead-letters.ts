import { quoteString, type ReplayDeadLetters } from '../../sql/index.ts';
import { databaseOf, printedName, readLanding, type DeadLetter, type StatementContext, type TableId } from '../context.ts';
import { requireGrants } from '../grants.ts';
import { forbidsChanges } from '../landing-maker.ts';
import { refuse } from '../refusals.ts';
import type { Action, ClientSession } from '../types.ts';

/** Letters read at a time. */
const PAGE = 500;

/**
 * `SYSTEM REPLAY DEAD LETTERS t [WHERE condition]`, or `SELECT * FROM replayDeadLetters(t [, condition])` for clients that parse statements themselves: the dead letters of a Kafka table (those for which the condition holds) are parsed again, as the table is now
 * and as `raw_message` stands now. Each that can be read becomes rows of the table and its letter is removed; the others stay. The answer counts both.
 *
 * The client needs SELECT and ALTER DELETE on the dead-letter table, and INSERT on the Kafka table. A crash in between may replay a letter again.
 */
export async function replayDeadLetters({ name, condition, tail }: ReplayDeadLetters, context: StatementContext): Promise<Action> {
  const { session, options } = context;
  const { deadLetters } = options;
  const table = { database: await databaseOf(name, session), table: name.table };
  if ((await readLanding(name, session)) === undefined || deadLetters === undefined)
    return refuse('BAD_ARGUMENTS', `${table.database}.${table.table} is no Kafka table of the gateway, so it has no dead letters`);
  if (forbidsChanges(session))
    return refuse(
      'READONLY',
      'Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries',
    );
  await requireGrants([`INSERT ON ${printedName(table)}`, `ALTER DELETE ON ${deadLetters.table}`], session);
  let [replayed, broken, firstError] = [0, 0, ''];
  for (let after: DeadLetter | undefined; ;) {
    const letters = await readLetters(session, deadLetters.table, table, condition, after);
    if (letters.length === 0) break;
    const errors = await deadLetters.replay(table, letters);
    const done = letters.filter((_, i) => errors[i] === undefined);
    if (done.length > 0) await deadLetters.remove(table, done);
    replayed += done.length;
    broken += letters.length - done.length;
    firstError ||= errors.find((error) => error !== undefined) ?? '';
    after = letters.at(-1);
  }
  const sql = `SELECT toUInt64(${replayed}) AS replayed, toUInt64(${broken}) AS still_broken, ${quoteString(firstError)} AS first_error ${tail}`;
  return { kind: 'run', sql };
}

async function readLetters(
  session: ClientSession,
  deadLetterTable: string,
  { database, table }: TableId,
  condition: string | undefined,
  after: DeadLetter | undefined,
): Promise<DeadLetter[]> {
  const position = '(kafka_topic_name, kafka_partition, kafka_offset)';
  const conditions = [
    `table_engine = 'Kafka' AND database = ${quoteString(database)} AND table = ${quoteString(table)}`,
    ...(condition === undefined ? [] : [`(${condition}\n)`]),
    ...(after === undefined ? [] : [`${position} > (${quoteString(after.topic)}, ${after.partition}, ${after.offset})`]),
  ];
  // A letter may stand there twice for a while: the newest one counts.
  const rows = await session.query(
    `SELECT kafka_topic_name, kafka_partition, kafka_offset, hex(kafka_key), hex(raw_message) FROM ${deadLetterTable} ` +
      `WHERE ${conditions.join(' AND ')} ORDER BY ${position}, event_time_microseconds DESC LIMIT 1 BY ${position} LIMIT ${PAGE}`,
  );
  return rows.map(([topic = '', partition, offset, key = '', value = '']) => ({
    topic,
    partition: Number(partition),
    offset: Number(offset),
    key: Buffer.from(key, 'hex'),
    value: Buffer.from(value, 'hex'),
  }));
}
