import { blockInfo, type BlockEncoding } from '../block.ts';
import { compressFrame } from '../compression.ts';
import { SERVER_PACKETS } from '../packet-types.ts';
import { hasFeature } from '../revisions.ts';
import { ByteWriter } from '../writer.ts';

/** A line of a server's log, as clients get it beside an answer. */
export interface LogLine {
  readonly atMs: number;
  readonly hostName: string;
  readonly queryId: string;
  /** Not 0, which clickhouse-driver takes for none and breaks on. Less than 2^32. */
  readonly threadId: number;
  /** Poco's: 4 warning, 6 information. */
  readonly priority: number;
  readonly source: string;
  readonly text: string;
}

/**
 * A whole Log packet of one line; undefined at a revision that does not know it. `isCompressed`: as the query asked for.
 *
 * Source: ClickHouse `src/Interpreters/InternalTextLogsQueue.cpp`; clients find the columns by name.
 */
export function writeLog(line: LogLine, encoding: BlockEncoding): Buffer | undefined {
  const { revision } = encoding;
  if (!hasFeature(revision, 'server logs')) return undefined;
  const columns = columnsOf(line, revision);
  const block = new ByteWriter().raw(blockInfo(revision)).varuint(columns.length).varuint(1);
  for (const { name, type, value } of columns) {
    block.string(name).string(type);
    if (hasFeature(revision, 'column serialization kinds')) block.u8(0);
    block.raw(value);
  }
  const isCompressed = encoding.isCompressed && hasFeature(revision, 'compressed logs and profile events');
  const bytes = isCompressed ? compressFrame(block.bytes(), 'LZ4') : block.bytes();
  return new ByteWriter().varuint(SERVER_PACKETS.Log).string('').raw(bytes).bytes();
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly value: Buffer;
}

function columnsOf({ atMs, hostName, queryId, threadId, priority, source, text }: LogLine, revision: number): Column[] {
  return [
    { name: 'event_time', type: 'DateTime', value: uint32(Math.floor(atMs / 1000)) },
    { name: 'event_time_microseconds', type: 'UInt32', value: uint32((atMs % 1000) * 1000) },
    { name: 'host_name', type: 'String', value: textValue(hostName) },
    { name: 'query_id', type: 'String', value: textValue(queryId) },
    // Clients of 2018 and 2019 look for a number; the id came without a revision of its own.
    ...(hasFeature(revision, 'interserver secret') ? [] : [{ name: 'thread_number', type: 'UInt32', value: uint32(threadId) }]),
    { name: 'thread_id', type: 'UInt64', value: Buffer.concat([uint32(threadId), uint32(0)]) },
    { name: 'priority', type: 'Int8', value: Buffer.from([priority]) },
    { name: 'source', type: 'String', value: textValue(source) },
    { name: 'text', type: 'String', value: textValue(text) },
  ];
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function textValue(text: string): Buffer {
  return new ByteWriter().string(text).bytes();
}
