import type { RecordBatch } from '../../src/kafka/index.ts';

export interface TestMessage {
  readonly value: Buffer | string | null;
  readonly key?: Buffer | string | null;
  readonly timestampMs?: number;
  readonly headers?: readonly (readonly [string, string | null])[];
}

/** A record batch as the kafka room hands it out, made by hand after KIP-98: offsets count from `baseOffset`. */
export function recordBatch(messages: readonly TestMessage[], baseOffset = 0, baseTimestampMs = 1_700_000_000_000): RecordBatch {
  const records = messages.map((message, i) => record(message, i, baseTimestampMs));
  return {
    baseOffset,
    lastOffset: baseOffset + messages.length - 1,
    baseTimestampMs,
    maxTimestampMs: baseTimestampMs,
    isLogAppendTime: false,
    recordCount: messages.length,
    records: Buffer.concat(records),
  };
}

function record(message: TestMessage, offsetDelta: number, baseTimestampMs: number): Buffer {
  const headers = message.headers ?? [];
  const body = Buffer.concat([
    Buffer.from([0]),
    varint((message.timestampMs ?? baseTimestampMs) - baseTimestampMs),
    varint(offsetDelta),
    field(message.key ?? null),
    field(message.value),
    varint(headers.length),
    ...headers.flatMap(([name, value]) => [field(name), field(value)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

function field(value: Buffer | string | null): Buffer {
  if (value === null) return varint(-1);
  const bytes = Buffer.from(value as string);
  return Buffer.concat([varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
