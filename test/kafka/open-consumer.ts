import type { ExecutionContext } from 'ava';
import {
  createGroupConsumer,
  type ConsumerHandlers,
  type ConsumerOptions,
  type FetchControl,
  type FetchedPartition,
  type GroupConsumer,
  type TopicPartition,
} from '../../src/kafka/index.ts';
import { silentLogger } from '../../src/logger.ts';
import { useKafka } from '../helpers/index.ts';

/** A consumer that keeps what it is told. */
export interface OpenConsumer {
  readonly consumer: GroupConsumer;
  /** Values of all records, `partition:offset=value`, as they came. */
  readonly records: string[];
  readonly fetches: FetchedPartition[];
  readonly assignments: (readonly TopicPartition[])[];
  /** `isSoleOwner` of each of them. */
  readonly isSoleOwner: boolean[];
  readonly resets: string[];
  readonly crashes: Error[];
}

export interface OpenOptions extends Partial<ConsumerOptions> {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** Instead of taking everything. Gets the consumer, since it exists before its variable does. */
  readonly take?: (fetched: FetchedPartition, control: FetchControl, consumer: GroupConsumer) => Promise<number>;
  readonly commits?: boolean;
}

/** A consumer of the shared Kafka that is not started yet; it is stopped when the test ends. */
export async function createConsumer(t: ExecutionContext, options: OpenOptions): Promise<OpenConsumer> {
  const { take, commits = false, ...rest } = options;
  const [records, fetches, assignments, isSoleOwner, resets, crashes] = [[], [], [], [], [], []] as [
    string[],
    FetchedPartition[],
    TopicPartition[][],
    boolean[],
    string[],
    Error[],
  ];
  const handlers: ConsumerHandlers = {
    onAssigned: (partitions, isSole) => {
      assignments.push([...partitions]);
      isSoleOwner.push(isSole);
    },
    onFetched: async (fetched, control) => {
      fetches.push(fetched);
      records.push(...valuesOf(fetched));
      if (commits) await consumer.commit([{ ...place(fetched), offset: BigInt(fetched.nextOffset) }]);
      return take === undefined ? fetched.nextOffset : take(fetched, control, consumer);
    },
    onOffsetReset: ({ topic: _topic, partition }, from, to) => resets.push(`${partition}: ${from} → ${to}`),
    onUnreadable: (_partition, _offset, error) => crashes.push(error),
    onCrash: (error) => crashes.push(error),
  };
  const brokers = rest.brokers ?? [(await useKafka(t)).brokers];
  const consumer: GroupConsumer = createGroupConsumer({ ...DEFAULTS, ...rest, brokers }, handlers, silentLogger());
  t.teardown(async () => consumer.stop());
  return { consumer, records, fetches, assignments, isSoleOwner, resets, crashes };
}

export async function openConsumer(t: ExecutionContext, options: OpenOptions): Promise<OpenConsumer> {
  const open = await createConsumer(t, options);
  await open.consumer.start();
  return open;
}

const DEFAULTS = {
  clientId: 'sluice-test',
  ownerId: 'test',
  security: {},
  sessionTimeoutMs: 10_000,
  heartbeatIntervalMs: 300,
  rebalanceTimeoutMs: 10_000,
  maxBytesPerPartition: 1 << 20,
  maxBytes: 8 << 20,
  maxWaitMs: 200,
  metadataMaxAgeMs: 1000,
};

function place({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition };
}

function valuesOf(fetched: FetchedPartition): string[] {
  return fetched.batches.flatMap((batch) => {
    const values: string[] = [];
    const reader = new RecordReader(batch.records);
    for (let index = 0; index < batch.recordCount; index += 1) {
      const { offsetDelta, value } = reader.next();
      const offset = batch.baseOffset + offsetDelta;
      if (offset >= fetched.fromOffset) values.push(`${fetched.partition}:${offset}=${value}`);
    }
    return values;
  });
}

/** Plain and slow, by KIP-98: records of `length attributes timestampDelta offsetDelta key value headers`, lengths as zigzag varints. */
class RecordReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): { offsetDelta: number; value: string | undefined } {
    const length = this.#varint();
    const end = this.#position + length;
    this.#position += 1;
    this.#varint();
    const offsetDelta = this.#varint();
    this.#string();
    const value = this.#string();
    this.#position = end;
    return { offsetDelta, value };
  }

  #string(): string | undefined {
    const length = this.#varint();
    if (length < 0) return undefined;
    this.#position += length;
    return this.#bytes.toString('utf8', this.#position - length, this.#position);
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#position] ?? 0;
      this.#position += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
  }
}
