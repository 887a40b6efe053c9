import type { ExecutionContext } from 'ava';
import { useDatabase } from '../../helpers/index.ts';
import type { Answer, Door, DoorOptions, Question, Rows } from './door.ts';
import { useHttpDoor } from './http.ts';
import { useNativeDoor } from './native.ts';

export type { Answer, Column, Door, Question, Refusal, Rows, Running } from './door.ts';

/** Where a server or a gateway listens. */
export interface Address {
  readonly url: string;
  readonly nativePort: number;
}

/** Both doors of an address, each with a database of its own unless `options` name one; a question and its answer call it `DB`. */
export async function useDoors(t: ExecutionContext, address: Address, options: Partial<DoorOptions> = {}): Promise<Door[]> {
  const doors = [];
  for (const open of [
    async (database: string) => useHttpDoor(t, address.url, { ...options, database }),
    async (database: string) => useNativeDoor(t, address.nativePort, { ...options, database }),
  ]) {
    const database = options.database ?? (await useDatabase(t));
    const door = await open(database);
    doors.push({ ...door, ask: async (question: Question) => renamed(await door.ask(inDatabase(question, database)), database) });
  }
  return doors;
}

function inDatabase(question: Question, database: string): Question {
  const { sql, queryId } = question;
  const text = (value: string): string => value.replaceAll(/\bDB\b/g, database);
  return {
    ...question,
    sql: typeof sql === 'string' ? text(sql) : sql,
    ...(queryId !== undefined && { queryId: text(queryId) }),
  };
}

function renamed({ rows, totals, extremes, refusal }: Answer, database: string): Answer {
  const text = (value: string): string => value.replaceAll(database, 'DB');
  const table = (of: Rows): Rows => (of.flat().some((value) => value.includes(database)) ? of.map((row) => row.map(text)) : of);
  return {
    rows: table(rows),
    totals: table(totals),
    extremes: table(extremes),
    ...(refusal && { refusal: { ...refusal, text: text(withoutChance(refusal.text)) } }),
  };
}

/** A table's UUID, and a table of the same name that another test happens to have. */
function withoutChance(reason: string): string {
  return reason.replace(/ \([0-9a-f]{8}-[0-9a-f-]{27}\)/, ' (UUID)').replace(/[.:] Maybe you meant [^?]*\?$/, '');
}
