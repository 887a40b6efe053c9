import type { ExecutionContext } from 'ava';
import { ask, type Feed } from './engines.ts';
import { useDatabase } from './names.ts';
import { useClickHouse } from './servers.ts';

/** What one message becomes in an INSERT of its own: lines of TSV, or the server's refusal. */
export type PlainOutcome = readonly string[] | Error;

/**
 * Each value in an INSERT of its own into a table of the feed's columns, with the settings that a Kafka table has for its format. `defaults` is a row of
 * nothing but default values.
 */
export async function insertEach(
  t: ExecutionContext,
  { columns, format, settings }: Omit<Feed, 'messages'>,
  values: readonly Buffer[],
): Promise<{ outcomes: readonly PlainOutcome[]; defaults: string }> {
  const { url } = await useClickHouse(t);
  const table = `${await useDatabase(t)}.plain`;
  const all = ['input_format_skip_unknown_fields = 1', 'input_format_parallel_parsing = 0', settings].filter((some) => some !== undefined);
  const head = `INSERT INTO ${table} SETTINGS ${all.join(', ')} FORMAT ${format}\n`;
  const taken = async (): Promise<string[]> => {
    const rows = await ask(url, `SELECT * FROM ${table} FORMAT TSV`);
    await ask(url, `TRUNCATE TABLE ${table}`);
    return rows.split('\n').filter((row) => row !== '');
  };
  await ask(url, `CREATE TABLE ${table} (${columns}) ENGINE = Memory`);
  await ask(url, `INSERT INTO ${table} FORMAT JSONEachRow\n{}`);
  const [defaults = ''] = await taken();
  const outcomes: PlainOutcome[] = [];
  for (const value of values) {
    const inserted = await ask(url, Buffer.concat([Buffer.from(head), value])).catch((error: unknown) => error as Error);
    outcomes.push(inserted instanceof Error ? inserted : await taken());
  }
  return { outcomes, defaults };
}
