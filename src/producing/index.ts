/** The door of producing: rows written to Kafka tables wait in outboxes in ClickHouse and are sent from there, each once. */
export { Producers, type OutboxMark, type PreparedOutbox } from './producers.ts';
export type { RowsSelect } from './messages/index.ts';
export type { OutboxReport } from './outbox-status.ts';
