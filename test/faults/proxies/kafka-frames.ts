/** Cuts a stream of bytes into Kafka's frames: four bytes of length, then so many bytes. Frames are handed out with their length. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0);

  add(bytes: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    const frames: Buffer[] = [];
    while (this.#rest.length >= 4) {
      const length = 4 + this.#rest.readInt32BE(0);
      if (this.#rest.length < length) break;
      frames.push(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
    }
    return frames;
  }
}

export const API = { offsetCommit: 8, joinGroup: 11 } as const;

/** Requests of producers with a transactional id, by api key. */
export const TRANSACTION_APIS = {
  0: 'Produce',
  22: 'InitProducerId',
  24: 'AddPartitionsToTxn',
  25: 'AddOffsetsToTxn',
  26: 'EndTxn',
  28: 'TxnOffsetCommit',
} as const;
export type TransactionApi = (typeof TRANSACTION_APIS)[keyof typeof TRANSACTION_APIS];

/** From this version on strings and arrays are written in another way, which we do not read. */
const FLEXIBLE_FROM: Readonly<Record<number, number>> = {
  [API.offsetCommit]: 8,
  [API.joinGroup]: 6,
  0: 9,
  22: 2,
  24: 3,
  25: 3,
  26: 3,
  28: 3,
};

export interface RequestHead {
  readonly apiKey: number;
  readonly version: number;
  readonly correlationId: number;
  /** Where the body begins in the frame. */
  readonly bodyAt: number;
  /** Whether we can read the body. */
  readonly isReadable: boolean;
}

export function readRequestHead(frame: Buffer): RequestHead {
  const apiKey = frame.readInt16BE(4);
  const version = frame.readInt16BE(6);
  const bodyAt = 14 + Math.max(0, frame.readInt16BE(12));
  return { apiKey, version, correlationId: frame.readInt32BE(8), bodyAt, isReadable: version < (FLEXIBLE_FROM[apiKey] ?? 0) };
}

/** A JoinGroup request with another session time-out, in milliseconds. Unchanged when we cannot read it. */
export function withSessionTimeout(frame: Buffer, { bodyAt, isReadable }: RequestHead, sessionTimeoutMs: number): Buffer {
  if (!isReadable) return frame;
  const changed = Buffer.from(frame);
  const at = bodyAt + 2 + frame.readInt16BE(bodyAt);
  changed.writeInt32BE(Math.min(sessionTimeoutMs, frame.readInt32BE(at)), at);
  return changed;
}

export interface Commit {
  readonly group: string;
  readonly generation: number;
  readonly topics: readonly CommittedTopic[];
}

export interface CommittedTopic {
  readonly name: string;
  readonly partitions: readonly { readonly partition: number; readonly offset: bigint; readonly metadata: string }[];
}

/** What an OffsetCommit request of versions 2 to 7 asks for; undefined for other ones. */
export function readCommit(frame: Buffer, { version, bodyAt, isReadable }: RequestHead): Commit | undefined {
  if (!isReadable || version < 2) return undefined;
  const reader = new Reader(frame, bodyAt);
  const group = reader.string();
  const generation = reader.int32();
  reader.string();
  if (version >= 7) reader.string();
  if (version <= 4) reader.int64();
  const topics = reader.array(() => ({
    name: reader.string(),
    partitions: reader.array(() => {
      const partition = reader.int32();
      const offset = reader.int64();
      if (version >= 6) reader.int32();
      return { partition, offset, metadata: reader.string() };
    }),
  }));
  return { group, generation, topics };
}

export interface TransactionRequest {
  readonly api: TransactionApi;
  /** '' for a producer without one, and when we cannot read it. */
  readonly transactionalId: string;
  /** What stands with the offset of a TxnOffsetCommit. */
  readonly metadata?: string;
}

/** Undefined for all other requests. */
export function readTransactionRequest(
  frame: Buffer,
  { apiKey, version, bodyAt, isReadable }: RequestHead,
): TransactionRequest | undefined {
  const api = (TRANSACTION_APIS as Readonly<Record<number, TransactionApi>>)[apiKey];
  if (api === undefined) return undefined;
  if (!isReadable) return { api, transactionalId: '' };
  const reader = new Reader(frame, bodyAt);
  const transactionalId = reader.string();
  if (api !== 'TxnOffsetCommit') return { api, transactionalId };
  reader.string();
  reader.int64();
  reader.int16();
  const metadata = reader.array(() => {
    reader.string();
    return reader.array(() => {
      reader.int32();
      reader.int64();
      if (version >= 2) reader.int32();
      return reader.string();
    });
  });
  return { api, transactionalId, metadata: metadata.flat().join(', ') };
}

/** The broker's answer to such a request, in which every partition has this error. */
export function refusalOfCommit({ version, correlationId }: RequestHead, { topics }: Commit, errorCode: number): Buffer {
  const body = [int32(correlationId), ...(version >= 3 ? [int32(0)] : []), int32(topics.length)];
  for (const { name, partitions } of topics) {
    body.push(int16(Buffer.byteLength(name)), Buffer.from(name), int32(partitions.length));
    for (const { partition } of partitions) body.push(int32(partition), int16(errorCode));
  }
  const bytes = Buffer.concat(body);
  return Buffer.concat([int32(bytes.length), bytes]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }

  /** Null is empty. */
  string(): string {
    const length = Math.max(0, this.#bytes.readInt16BE(this.#at));
    this.#at += 2 + length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }

  array<T>(item: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, item);
  }
}
