import type { SettingValues } from '../../clickhouse/index.ts';
import { BinaryRows } from './binary-rows.ts';
import { DocumentSpans, type DocumentSpan } from './document-spans.ts';
import { ClickHouseException } from '../../errors.ts';
import { withoutQuery } from './errors.ts';
import { withoutNumbersRead } from './framing.ts';
import { LineRows } from './line-rows.ts';
import { JoinedRows, oneRowEach, tombstone } from './joined-rows.ts';
import {
  documentQuery,
  IN_ORDER,
  LINES_ALONE,
  linesQuery,
  oneBlock,
  outputSettings,
  rowsInOrder,
  rowsQuery,
  withSecretSettings,
} from './outbox-query.ts';
import { readAll } from './read-all.ts';
import { RenderedRows, type RowSink } from './rendered-rows.ts';
import { renderingOf, type Lines } from './rendering.ts';
import type { RowCutter } from './row-cutter.ts';
import { runsOf, type Run } from './runs.ts';
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
  try {
    const runs = await runsOf(client, table, parts, signal);
    for (const run of runs) await new Reading(client, run, counting(sink, run.firstPart), signal).run();
  } catch (error) {
    throw error instanceof ClickHouseException ? withoutQuery(error) : error;
  }
}

/** The sink, told of parts that are counted from `firstPart`. */
function counting(sink: MessageSink, firstPart: number): MessageSink {
  if (firstPart === 0) return sink;
  return {
    message: (partIndex, ...message) => {
      sink.message(firstPart + partIndex, ...message);
    },
    drained: async () => sink.drained(),
  };
}

/** How rows are asked for, and cut out of the answer. */
interface RowsAnswer {
  readonly sql: string;
  readonly settings: SettingValues;
  readonly cutter: RowCutter;
}

class Reading {
  readonly #client: OutboxReader;
  readonly #run: Run;
  readonly #table: RenderedTable;
  readonly #parts: readonly OutboxPart[];
  readonly #sink: MessageSink;
  readonly #signal: AbortSignal;

  constructor(client: OutboxReader, run: Run, sink: MessageSink, signal: AbortSignal) {
    this.#client = client;
    this.#run = run;
    this.#table = run.table;
    this.#parts = run.parts;
    this.#sink = sink;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const { rowsPerMessage, rowsPerBlock } = this.#run;
    const rendering = await renderingOf(this.#client, this.#table, rowsPerMessage, this.#signal);
    if (rendering.way === 'documents') return this.#readDocuments(rowsPerMessage, AS_IT_IS);
    if (rendering.way === 'blocks') return this.#readDocuments(rowsPerBlock, rendering.hasStatistics ? withoutNumbersRead : AS_IT_IS);
    const { value, lines, settings, framing } = rendering;
    const rows = lines === undefined ? this.#byValue(value, settings) : this.#byLines(lines);
    const drained = async (): Promise<void> => this.#sink.drained();
    if (framing === undefined) return this.#readRows(rows, oneRowEach(this.#sink), drained);
    const joined = new JoinedRows(this.#sink, framing, rowsPerMessage);
    await this.#readRows(rows, joined, drained);
    joined.end();
    await drained();
  }

  #byValue(value: string, settings: Readonly<Record<string, string>> = {}): RowsAnswer {
    return {
      sql: rowsQuery(this.#table, this.#parts, value),
      settings: { ...settings, ...rowsInOrder(this.#parts) },
      cutter: new BinaryRows(),
    };
  }

  #byLines({ format, shape }: Lines): RowsAnswer {
    return {
      sql: linesQuery(this.#table, this.#parts, format),
      settings: { ...LINES_ALONE, ...rowsInOrder(this.#parts) },
      cutter: new LineRows(shape),
    };
  }

  async #readRows({ sql, settings, cutter }: RowsAnswer, rowSink: RowSink, told: () => Promise<void>): Promise<void> {
    const expectedRows = this.#parts.map((part) => part.rows);
    const rows = new RenderedRows(cutter, expectedRows, rowSink);
    const answer = this.#client.stream(withSecretSettings(this.#table, sql), { ...outputSettings(this.#table), ...settings }, this.#signal);
    for await (const piece of answer) {
      rows.take(piece);
      await told();
    }
    rows.end();
    await told();
  }

  async #readDocuments(mostRows: number, edited: (document: Buffer) => Buffer): Promise<void> {
    const spans = new DocumentSpans(mostRows);
    const render = async (): Promise<void> => {
      for (const span of spans.take()) await this.#tellDocument(span, edited);
    };
    await this.#readRows(this.#byValue(`''`), spans, render);
    spans.end();
    await render();
  }

  async #tellDocument({ partIndex, from, to, key, traits }: DocumentSpan, edited: (document: Buffer) => Buffer): Promise<void> {
    if (traits.isTombstone) {
      tombstone(this.#sink, partIndex, key ?? NO_BYTES, key === undefined ? -1 : 0, key?.length ?? -1, traits);
    } else {
      const part = this.#parts[partIndex] as OutboxPart;
      const settings = { ...outputSettings(this.#table), ...IN_ORDER, ...oneBlock(to - from) };
      const sql = withSecretSettings(this.#table, documentQuery(this.#table, part, from, to));
      const body = edited(await readAll(this.#client.stream(sql, settings, this.#signal)));
      const message = key === undefined ? body : Buffer.concat([body, key]);
      const keyStart = key === undefined ? -1 : body.length;
      const keyEnd = key === undefined ? -1 : message.length;
      const { timestampMs, partition, headers } = traits;
      this.#sink.message(partIndex, message, keyStart, keyEnd, 0, body.length, timestampMs, partition, headers);
    }
    await this.#sink.drained();
  }
}

const NO_BYTES = Buffer.alloc(0);
const AS_IT_IS = (document: Buffer): Buffer => document;
