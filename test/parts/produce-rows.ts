import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { Message } from 'kafkajs';
import type { ClickHousePart } from './clickhouse.ts';
import type { KafkaPart } from './kafka.ts';

const NEWLINE = 0x0a;

// A record batch may hold 1 MiB (the broker's `message.max.bytes`); kafkajs makes one a partition and send.
const MAX_PARTITION_BYTES = 700_000;

// What a message costs beside its value: sizes, deltas, empty key. Narrow messages are mostly that.
const MESSAGE_OVERHEAD_BYTES = 20;

export interface RowsToProduce {
  readonly kafka: KafkaPart;
  readonly clickHouse: ClickHousePart;
  /** A SELECT with a FORMAT of one row a line; each line becomes one message's value. Parameter `n` is the number of rows. */
  readonly sql: string;
  readonly rows: number;
  readonly topic: string;
  readonly partitions: number;
  /** Also gets every line, with its newline: the same bytes for a plain INSERT. */
  readonly copyTo?: Writable;
  /** Called now and then with the number of messages the broker has. */
  readonly onProgress?: (messages: number) => void;
}

/** Renders rows in ClickHouse and sends each as a message, uncompressed, evenly over the partitions. Answers bytes of all values. */
export async function produceRows(options: RowsToProduce): Promise<number> {
  const producer = await options.kafka.producer();
  try {
    const batch: Message[] = [];
    let batchBytes = 0;
    let sent = 0;
    let totalBytes = 0;
    const send = async (): Promise<void> => {
      await copy(batch, options.copyTo);
      await producer.send({ topic: options.topic, messages: batch });
      sent += batch.length;
      batch.length = 0;
      batchBytes = 0;
      options.onProgress?.(sent);
    };
    for await (const value of readLines(options)) {
      batch.push({ value, partition: (sent + batch.length) % options.partitions });
      batchBytes += value.length + MESSAGE_OVERHEAD_BYTES;
      totalBytes += value.length;
      if (batchBytes >= MAX_PARTITION_BYTES * options.partitions) await send();
    }
    if (batch.length > 0) await send();
    return totalBytes;
  } finally {
    await producer.disconnect();
  }
}

async function copy(messages: readonly Message[], to: Writable | undefined): Promise<void> {
  if (to === undefined) return;
  const lines = messages.flatMap(({ value }) => [value as Buffer, Buffer.of(NEWLINE)]);
  if (!to.write(Buffer.concat(lines))) await once(to, 'drain');
}

async function* readLines({ clickHouse, sql, rows }: RowsToProduce): AsyncGenerator<Buffer> {
  const url = new URL(clickHouse.url);
  url.searchParams.set('param_n', String(rows));
  const headers = { 'X-ClickHouse-User': url.username || 'default', 'X-ClickHouse-Key': decodeURIComponent(url.password) };
  url.username = '';
  url.password = '';
  const response = await fetch(url, { method: 'POST', body: sql, headers });
  if (!response.ok || response.body === null) throw new Error(await response.text());
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    const text = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = text.indexOf(NEWLINE); end >= 0; end = text.indexOf(NEWLINE, start)) {
      yield text.subarray(start, end);
      start = end + 1;
    }
    rest = text.subarray(start);
  }
  if (rest.length > 0) yield rest;
}
