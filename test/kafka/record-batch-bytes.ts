import { readFileSync } from 'node:fs';
import { crc32c } from '@node-rs/crc32';

type Golden = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' | 'abortMarker' | 'commitMarker' | 'magic0' | 'magic1';
const golden = JSON.parse(readFileSync(new URL('fixtures/java-client.json', import.meta.url), 'utf8')) as Record<Golden, string>;

/** Bytes written by Kafka's own Java client (the fixture's first line says how). */
export function javaBytes(name: Golden): Buffer {
  return Buffer.from(golden[name], 'hex');
}

export interface BatchFields {
  readonly baseOffset?: number;
  readonly lastOffsetDelta?: number;
  readonly attributes?: number;
  readonly producerId?: number;
  readonly recordCount?: number;
  readonly records?: Buffer;
}

export const TRANSACTIONAL = 0x10;
export const CONTROL = 0x20;

/** A record batch (magic 2) with a right checksum; one record of one byte (not a real record) unless told otherwise. */
export function batchBytes(fields: BatchFields = {}): Buffer {
  const { baseOffset = 0, lastOffsetDelta = 0, attributes = 0, producerId = -1, recordCount = 1, records = Buffer.from([0]) } = fields;
  const header = Buffer.alloc(61);
  header.writeBigInt64BE(BigInt(baseOffset), 0);
  header.writeInt32BE(49 + records.length, 8);
  header.writeInt8(2, 16);
  header.writeInt16BE(attributes, 21);
  header.writeInt32BE(lastOffsetDelta, 23);
  header.writeBigInt64BE(1_700_000_000_000n, 27);
  header.writeBigInt64BE(1_700_000_000_009n, 35);
  header.writeBigInt64BE(BigInt(producerId), 43);
  header.writeInt32BE(recordCount, 57);
  return sealed(Buffer.concat([header, records]));
}

/** Writes the right checksum over the bytes as they are now. */
export function sealed(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

export function dataOf(producerId: number, baseOffset: number, lastOffsetDelta = 0): Buffer {
  return batchBytes({ attributes: TRANSACTIONAL, producerId, baseOffset, lastOffsetDelta, recordCount: lastOffsetDelta + 1 });
}

/** The control batch that ends a producer's transaction. */
export function markerOf(producerId: number, baseOffset: number, type: 'abort' | 'commit'): Buffer {
  const record = Buffer.from([0x20, 0, 0, 0, 8, 0, 0, 0, type === 'abort' ? 0 : 1, 12, 0, 0, 0, 0, 0, 0, 0]);
  return batchBytes({ attributes: TRANSACTIONAL | CONTROL, producerId, baseOffset, records: record });
}
