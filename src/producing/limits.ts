import type { ManagedTable } from '../catalog/index.ts';
import type { WriteOptions } from '../engine/index.ts';
import type { Part } from './position.ts';

/** The server refuses INSERTs at `parts_to_throw_insert` of `outbox-table.ts`, in words that say nothing of Kafka; another gateway needs a moment to see what this one sees. */
const MOST_PARTS = 95_000;

/** INSERTs are accepted again when a tenth of the limit is free. */
const ACCEPTED_AGAIN = 0.9;

/**
 * Why the outbox takes no more rows, as a sentence for whoever inserts; undefined: it does. `isFull`: it was full before, and has to fall some way below its limits.
 * `problem`: why nothing is sent.
 */
export function fullSentence(
  { database, table }: Pick<ManagedTable, 'database' | 'table'>,
  unsent: readonly Part[],
  limits: WriteOptions,
  isFull: boolean,
  problem: string | undefined,
): string | undefined {
  const rows = unsent.reduce((sum, part) => sum + part.rows, 0);
  const bytes = unsent.reduce((sum, part) => sum + part.bytes, 0);
  const ageMs = unsent[0] === undefined ? 0 : Date.now() - unsent[0].insertedAtMs;
  const share = isFull ? ACCEPTED_AGAIN : 1;
  const isOver = (value: number, limit: number): boolean => limit > 0 && value > limit * share;
  const reason = problem === undefined ? '' : `; nothing is sent now: ${problem}`;
  const full = (held: string, most: string): string => `The outbox of ${database}.${table} is full: ${held}, and ${most}${reason}`;
  const sentence = (held: string, setting: string, limit: number): string => full(held, `${setting} = ${limit}`);
  if (isOver(unsent.length, MOST_PARTS)) return full(`the rows of ${unsent.length} INSERTs wait to be sent`, `it takes ${MOST_PARTS}`);
  if (isOver(rows, limits.outboxMaxRows)) return sentence(`${rows} rows wait to be sent`, 'kafka_outbox_max_rows', limits.outboxMaxRows);
  if (isOver(bytes, limits.outboxMaxBytes))
    return sentence(`${bytes} bytes wait to be sent`, 'kafka_outbox_max_bytes', limits.outboxMaxBytes);
  if (isOver(ageMs, limits.outboxMaxAgeMs))
    return sentence(`its oldest row has waited ${ageMs} ms to be sent`, 'kafka_outbox_max_age_ms', limits.outboxMaxAgeMs);
  return undefined;
}
