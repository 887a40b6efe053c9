import { createHash, randomInt } from 'node:crypto';
import type { TopicPartition } from '../kafka/index.ts';
import type { InsertRequest } from './insert-plan.ts';

/** A partition's share of a delivery: offsets `first` up to `next` (exclusive). */
export interface PartitionRange extends TopicPartition {
  readonly first: number;
  readonly next: number;
}

/**
 * How the messages of an intent become INSERTs. `together`: one INSERT of all. `checked`: read carefully, the good ones in one INSERT. `alone`: an INSERT for each.
 */
export type Manner = 'together' | 'checked' | 'alone';

/**
 * What is about to be inserted, as it is noted in Kafka before: whoever finds it there unfinished repeats just this, with the same tokens, and the server leaves
 * out what it has (design, "delivery").
 */
export interface Intent {
  /** Made anew for each: a rewind reads the same offsets under other ids, so nothing of it is left out. */
  readonly id: string;
  readonly manner: Manner;
  /** Not empty; of one partition unless `together`. */
  readonly ranges: readonly PartitionRange[];
}

/** An INSERT of an intent: `part` tells it from the others where there are several. */
export interface PartOfIntent {
  readonly intent: Intent;
  readonly part?: string;
}

const ID_CHARACTERS = 9;

/** Ids of one gateway sort by time. */
export function newIntent(manner: Manner, ranges: readonly PartitionRange[]): Intent {
  const random = randomInt(36 ** ID_CHARACTERS).toString(36);
  return { id: Date.now().toString(36) + random.padStart(ID_CHARACTERS, '0'), manner, ranges };
}

/** The `insert_deduplication_token` of an INSERT. */
export function deduplicationToken({ intent, part }: PartOfIntent): string {
  return part === undefined ? `sluice/${intent.id}` : `sluice/${intent.id}/${part}`;
}

/** The INSERT under its own token; `deduplication`: what makes the server heed it (`ServerDefaults`). */
export function withToken(request: InsertRequest, deduplication: Readonly<Record<string, string>>, as: PartOfIntent): InsertRequest {
  return { ...request, settings: { ...request.settings, ...deduplication, insert_deduplication_token: deduplicationToken(as) } };
}

/** A name for a set of messages of one partition: other messages have another. */
export function partOf(kind: string, offsets: Iterable<number>): string {
  const hash = createHash('sha256');
  for (const offset of offsets) hash.update(`${offset} `);
  return `${kind}/${hash.digest('base64url').slice(0, 16)}`;
}

const BEGIN = 'sluice: ';
const BETWEEN = '; ';

/**
 * Intents as the metadata of a committed offset, for people to read: each with its id, topics, and `partition:first+count`, such as
 * `sluice: mfa2k0x1a0b1c2d3e github 0:100+50 1:20+61; mfa2k0x2f4g5h6i7j/checked github 0:150+11`. Empty for none. All of it is ASCII.
 */
export function printIntents(intents: readonly Intent[]): string {
  return intents.length === 0 ? '' : BEGIN + intents.map(printIntent).join(BETWEEN);
}

function printIntent({ id, manner, ranges }: Intent): string {
  let topic = '';
  const words = [manner === 'together' ? id : `${id}/${manner}`];
  for (const range of ranges) {
    if (range.topic !== topic) words.push(range.topic);
    topic = range.topic;
    words.push(`${range.partition}:${range.first}+${range.next - range.first}`);
  }
  return words.join(' ');
}

/** How long `printIntents` of one intent of these ranges is. */
export function intentBytes(ranges: readonly PartitionRange[]): number {
  return printIntents([{ id: 'x'.repeat(2 * ID_CHARACTERS), manner: 'checked', ranges }]).length;
}

/** The intents in a committed offset's metadata; none when somebody else wrote it. Undefined: it is ours, but cannot be read. */
export function readIntents(metadata: string): readonly Intent[] | undefined {
  if (!metadata.startsWith(BEGIN)) return [];
  const intents = metadata.slice(BEGIN.length).split(BETWEEN).map(readIntent);
  return intents.every((intent) => intent !== undefined) ? intents : undefined;
}

function readIntent(text: string): Intent | undefined {
  const [name = '', ...words] = text.split(' ');
  const head = /^([0-9a-z]+)(?:\/(checked|alone))?$/.exec(name);
  const ranges: PartitionRange[] = [];
  let topic = '';
  for (const word of words) {
    const range = /^(\d+):(\d+)\+(\d+)$/.exec(word);
    if (range === null) topic = word;
    else ranges.push({ topic, partition: Number(range[1]), first: Number(range[2]), next: Number(range[2]) + Number(range[3]) });
  }
  if (head?.[1] === undefined || ranges.length === 0 || ranges.some((range) => range.topic === '')) return undefined;
  return { id: head[1], manner: (head[2] ?? 'together') as Manner, ranges };
}
