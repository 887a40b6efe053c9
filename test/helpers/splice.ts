import { Batch, ChunkPool, MemoryBudget } from '../../src/batching/index.ts';
import {
  BodyHead,
  RecordCursor,
  splicerOf,
  UNPROVABLE,
  type BodyTable,
  type CarriedField,
  type MessageWriter,
} from '../../src/formats/index.ts';
import { recordBatch, type TestMessage } from './records.ts';

/** What rows of formats without names carry at least; `GUARD` is the guard's value. */
export const GUARD = 4_000_000_007;
const POSITION: CarriedField = { name: 'zz0', type: 'UInt64', what: 'position' };
const GUARDED: readonly CarriedField[] = [{ name: 'zzg', type: 'UInt32', what: 'guard', constant: GUARD }, POSITION];
const METADATA: readonly CarriedField[] = [
  { name: 'zz2', type: 'Int64', what: 'timestamp' },
  { name: 'zz3', type: 'String', what: 'key' },
  { name: 'zz4', type: 'String', what: 'header-names' },
  { name: 'zz5', type: 'String', what: 'header-values' },
];

export interface Spliced {
  /** Head and rows, one character a byte. */
  readonly body: string;
  /** Rows of each message; `alone` where it needs an INSERT of its own. */
  readonly rows: (number | 'alone')[];
}

/** Splices messages of source 3 from offset 41 on, as a table of that format and these settings would. */
export function splice(
  format: string,
  messages: readonly (TestMessage | string)[],
  options: { allFields?: boolean; settings?: Record<string, string>; scan?: boolean; head?: BodyHead; columns?: BodyTable['columns'] } = {},
): Spliced {
  const splicer = splicerOf(format);
  const fields = [...(splicer?.isPositional === true ? GUARDED : [POSITION]), ...(options.allFields === true ? METADATA : [])];
  const head = options.head ?? new BodyHead();
  const table: BodyTable = { columns: options.columns ?? [], settings: options.settings ?? {}, head };
  const writer = splicer?.createWriter(fields, table);
  if (writer === undefined) return { body: '', rows: messages.map(() => 'alone') };
  if (options.scan === true) writer.scanNext?.(messages.length);
  const batch = new Batch(new ChunkPool(new MemoryBudget(1e9)));
  const rows = writeAll(writer, batch, messages);
  return { body: Buffer.concat([...(head.bytes === undefined ? [] : [head.bytes]), ...batch.body()]).toString('latin1'), rows };
}

/** Writes messages of source 3 from offset 41 on; rows of each, `alone` where it needs an INSERT of its own. */
export function writeAll(writer: MessageWriter, batch: Batch, messages: readonly (TestMessage | string | Buffer)[]): (number | 'alone')[] {
  const cursor = new RecordCursor();
  cursor.open(
    recordBatch(
      messages.map((message) => (typeof message === 'string' || Buffer.isBuffer(message) ? { value: message } : message)),
      41,
    ),
  );
  const rows: (number | 'alone')[] = [];
  batch.begin(3, 41);
  while (cursor.next()) {
    const count = writer.write(batch, 3, cursor);
    rows.push(count === UNPROVABLE ? 'alone' : count);
    if (count !== UNPROVABLE) batch.endMessage(cursor.offset, count);
  }
  return rows;
}
