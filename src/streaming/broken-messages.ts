import type { ManagedTable } from '../catalog/index.ts';
import { ClickHouseException, ERROR_CODES } from '../errors.ts';
import type { TopicPartition } from '../kafka/index.ts';
import { deadLetterRows } from './dead-letters.ts';
import { errorRows } from './error-rows.ts';
import { partOf, type PartOfIntent, type Intent } from './intent.ts';
import type { InsertRequest } from './insert-plan.ts';
import type { BrokenMessage } from './broken-message.ts';

/** Where the stream of a table puts the messages that its format cannot read. */
export interface BrokenMessageTargets {
  /** Sends an INSERT and answers the rows that it held. `as`: what it is of an intent; without, it inserts nothing. */
  readonly send: (request: InsertRequest, body: readonly Buffer[], as?: PartOfIntent) => Promise<number>;
  /** Name of the dead-letter table, as SQL. */
  readonly deadLetterTable: string;
  /** Makes the dead-letter table if it does not exist. */
  readonly ensureDeadLetterTable: () => Promise<unknown>;
  /** Sends broken messages to the table's dead-letter topic, together with the commit of `next` for their partition. */
  readonly sendLetters: (table: ManagedTable, partition: TopicPartition, broken: readonly BrokenMessage[], next: number) => Promise<void>;
}

/**
 * What has to be done about broken messages of one partition (`kafka_handle_error_mode`), in this order; each may be repeated until it succeeds. `next` is the
 * offset behind them, and everything else below it is inserted by then. Undefined: the table stops at a broken message.
 */
export function stepsForBroken(
  targets: BrokenMessageTargets,
  table: ManagedTable,
  partition: TopicPartition,
  broken: readonly BrokenMessage[],
  next: number,
): ((intent: Intent) => Promise<number>)[] | undefined {
  if (broken.length === 0) return [];
  const part = partOf(
    'broken',
    broken.map(({ message }) => message.offset),
  );
  switch (table.options.handleErrorMode) {
    case 'default':
      return undefined;
    case 'stream': {
      const { request, body } = errorRows(table, partition, broken);
      return [async (intent) => targets.send(request, body, { intent, part })];
    }
    case 'dead_letter_queue': {
      const { request, body } = deadLetterRows(targets.deadLetterTable, table, partition, broken, Date.now());
      const toTable = async (intent: Intent): Promise<number> => {
        try {
          return await targets.send(request, body, { intent, part });
        } catch (error) {
          // Somebody dropped it: it may be dropped at any time.
          if (error instanceof ClickHouseException && error.code === ERROR_CODES.UNKNOWN_TABLE) await targets.ensureDeadLetterTable();
          throw error;
        }
      };
      const toTopic = async (): Promise<number> => {
        await targets.sendLetters(table, partition, broken, next);
        return 0;
      };
      return table.options.deadLetterTopic === '' ? [toTable] : [toTable, toTopic];
    }
  }
}
