import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installOnce } from '../../parts/cache.ts';
import type { KafkaPart } from '../../parts/kafka.ts';

const HERE = fileURLToPath(new URL('./', import.meta.url));
const MOST_OUTPUT_BYTES = 256 << 20;

export interface ReadMessage {
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers: readonly (readonly [string, Buffer | null])[];
}

/** The partitions that librdkafka's producer sends messages with these keys to. */
export async function librdkafkaPartitions(
  kafka: KafkaPart,
  topic: string,
  partitioner: string,
  keys: readonly Buffer[],
): Promise<number[]> {
  const input = JSON.stringify(keys.map((key) => key.toString('base64')));
  return JSON.parse(await run(['partitions', kafka.brokers, topic, partitioner], input)) as number[];
}

/** The first `count` messages that librdkafka's consumer sees with `read_committed`, in order within each partition. */
export async function readWithLibrdkafka(kafka: KafkaPart, topic: string, partitions: number, count: number): Promise<ReadMessage[]> {
  const output = await run(['read', kafka.brokers, topic, String(partitions), String(count)]);
  return output.split('\n').slice(0, -1).map(parseMessage);
}

/** The offset after the last message of each partition, also of those in open transactions. */
export async function writtenOffsets(kafka: KafkaPart, topic: string, partitions = 1): Promise<number[]> {
  return JSON.parse(await run(['written', kafka.brokers, topic, String(partitions)])) as number[];
}

interface PrintedMessage {
  readonly partition: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs: number;
  readonly headers: readonly (readonly [string, string | null])[];
}

function parseMessage(line: string): ReadMessage {
  const { key, value, headers, ...rest } = JSON.parse(line) as PrintedMessage;
  return { ...rest, key: decoded(key), value: decoded(value), headers: headers.map(([name, one]) => [name, decoded(one)]) };
}

function decoded(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value, 'base64');
}

async function run(args: readonly string[], input = ''): Promise<string> {
  const folder = await installOnce({
    name: 'librdkafka',
    files: [join(HERE, 'requirements.txt')],
    command: 'sh',
    args: ['-c', 'python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt'],
  });
  const options = { maxBuffer: MOST_OUTPUT_BYTES };
  const running = promisify(execFile)(join(folder, 'venv/bin/python'), [join(HERE, 'client.py'), ...args], options);
  // A program that reads no input may have ended before it is given the end of it.
  running.child.stdin?.on('error', () => undefined).end(input);
  return (await running).stdout;
}
