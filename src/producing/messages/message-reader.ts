import { documentOf, IN_ORDER, outputSettings, rowsQuery } from './outbox-query.ts';
import { RenderedRows, type RowSink } from './rendered-rows.ts';
import type { MessageSink, OutboxPart, OutboxReader, RenderedTable } from './types.ts';

/**
 * Renders the messages of `parts`, in this order, as the server's own engine would write them. Throws the server's ClickHouseException (see `isAboutValue`),
 * ClickHouseUnreachable, or an Error when other rows came than the parts have; what the sink got until then is no whole.
 */
export async function readMessages(
  client: OutboxReader,
  table: RenderedTable,
  parts: readonly OutboxPart[],
  sink: MessageSink,
  signal: AbortSignal,
): Promise<void> {
  const value = documentOf(table, table.options.format);
  await readRows(client, table, parts, value, oneRowEach(sink), sink, signal);
}

async function readRows(
  client: OutboxReader,
  table: RenderedTable,
  parts: readonly OutboxPart[],
  value: string,
  rowSink: RowSink,
  sink: Pick<MessageSink, 'drained'>,
  signal: AbortSignal,
): Promise<void> {
  const rows = new RenderedRows(
    parts.map((part) => part.rows),
    rowSink,
  );
  const answer = client.stream(rowsQuery(table, parts, value), { ...outputSettings(table), ...IN_ORDER }, signal);
  for await (const piece of answer) if (rows.take(piece)) await sink.drained();
  rows.end();
  await sink.drained();
}

/** Every row is a message. */
function oneRowEach(sink: MessageSink): RowSink {
  return {
    row: (partIndex, source, keyStart, keyEnd, valueStart, valueEnd, traits) => {
      if (traits === undefined) sink.message(partIndex, source, keyStart, keyEnd, valueStart, valueEnd, -1, -1, undefined);
      else if (traits.isTombstone)
        sink.message(partIndex, source, keyStart, keyEnd, -1, -1, traits.timestampMs, traits.partition, traits.headers);
      else sink.message(partIndex, source, keyStart, keyEnd, valueStart, valueEnd, traits.timestampMs, traits.partition, traits.headers);
    },
  };
}
