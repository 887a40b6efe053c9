/** From rows in an outbox to messages as the server's own engine writes them; the server renders. */
export { checkFormat } from './check-format.ts';
export { isAboutValue } from './errors.ts';
export { formatSettingsColumn } from './insert-settings.ts';
export { readMessages } from './message-reader.ts';
export { canReadSelected, readSelected, type RowsSelect } from './selected-reader.ts';
export type { MessageHeader, MessageSink, OutboxPart, OutboxReader, RenderedTable } from './types.ts';
