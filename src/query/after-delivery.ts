import { ClickHouseException } from '../errors.ts';
import type { OutboxMark, Outboxes, TableId } from './context.ts';
import type { AfterSuccess } from './types.ts';

/** Waits until what the statement wrote to the table is in Kafka. Who gives the wait up is told where the rows are. */
export function afterDelivery(outboxes: Outboxes, table: TableId, since: OutboxMark | undefined): AfterSuccess {
  return async (signal, queryId) => {
    try {
      await outboxes.delivered(table, signal, since, queryId);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (signal.aborted) throw CANCELLED;
  };
}

const CANCELLED = new ClickHouseException(
  394,
  'QUERY_WAS_CANCELLED',
  'Query was cancelled while it waited for Kafka. What it inserted is in the outbox of the table and will be sent',
);
