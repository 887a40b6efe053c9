import type { LandingColumn } from '../../catalog/index.ts';
import type { ServiceClient } from '../../clickhouse/index.ts';
import type { KafkaTableOptions } from '../../engine/index.ts';

/** How the outbox is read. */
export type OutboxReader = Pick<ServiceClient, 'stream' | 'rows'>;

/** A part of the outbox, with all of its rows. */
export interface OutboxPart {
  readonly name: string;
  /** Another outbox has parts of the same names. */
  readonly uuid: string;
  readonly rows: number;
}

export interface MessageHeader {
  readonly name: Buffer;
  readonly value: Buffer;
}

export interface MessageSink {
  /**
   * Called synchronously, in the order of parts and rows. Positions are of `source`, which is valid during the call only, headers as well; -1: null.
   * `timestampMs` -1: the time of sending; `partition` -1: the partitioner decides.
   */
  message(
    partIndex: number,
    source: Buffer,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    timestampMs: number,
    partition: number,
    headers: readonly MessageHeader[] | undefined,
  ): void;
  /** Awaited between pieces of the server's answer: backpressure. */
  drained(): Promise<void>;
}

/** A Kafka table and where its rows wait. */
export interface RenderedTable {
  readonly outbox: { readonly database: string; readonly name: string };
  /** What an INSERT without column list fills, in order: `Written.columns`. */
  readonly columns: readonly LandingColumn[];
  readonly options: Pick<KafkaTableOptions, 'format' | 'schema' | 'formatSettings' | 'write'>;
  /** Names of the columns that the outbox has beside those (`outboxColumns`). */
  readonly added: ReadonlySet<string>;
}
