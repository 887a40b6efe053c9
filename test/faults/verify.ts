import type { ClickHousePart } from '../parts/clickhouse.ts';
import type { Schema, Target } from './schema.ts';
import type { PartitionTruth } from './truth.ts';

/** One message that is not where it should be, or too often. */
export interface Finding {
  readonly target: string;
  readonly what: 'lost' | 'doubled' | 'foreign';
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** How often it is there. */
  readonly times: number;
  /** When the producer wrote it; 0 for what no reader of the topic sees (`foreign`, of an aborted transaction). */
  readonly writtenAtMs: number;
  /** When its first and its last row were inserted, in milliseconds since 1970, where the target keeps that. */
  readonly insertedAtMs?: readonly [number, number];
}

/** What one target was found to hold. */
export interface Verdict {
  readonly target: string;
  readonly isExactlyOnce: boolean;
  readonly messages: number;
  readonly lost: number;
  readonly doubled: number;
  /** Rows of messages that no reader of the topic sees. */
  readonly foreign: number;
  /** Partitions whose numbers do not add up though every offset is there as often as it should be. */
  readonly altered: number;
  /** Messages that are not in the order in which they were written; absent where that is not looked at. */
  readonly disordered?: number;
  readonly isPassed: boolean;
}

export interface Verification {
  readonly verdicts: readonly Verdict[];
  readonly findings: readonly Finding[];
}

/** Compares every target with what the topics hold. */
export async function verify(clickHouse: ClickHousePart, { targets }: Schema, truths: readonly PartitionTruth[]): Promise<Verification> {
  const verdicts: Verdict[] = [];
  const findings: Finding[] = [];
  for (const target of targets) {
    const found: Finding[] = [];
    let messages = 0;
    let altered = 0;
    for (const truth of truths.filter(({ topic }) => target.topics.some(({ name }) => name === topic))) {
      const expected = truth[target.keeps];
      messages += expected.length;
      const differences = compare(target, truth, await countsOf(clickHouse, target, truth));
      found.push(...differences);
      if (differences.length === 0 && !(await addsUp(clickHouse, target, truth))) altered += 1;
    }
    const count = (what: Finding['what']): number => found.filter((finding) => finding.what === what).length;
    const [lost, doubled, foreign] = [count('lost'), count('doubled'), count('foreign')];
    const isPassed = lost === 0 && foreign === 0 && altered === 0 && (doubled === 0 || !target.isExactlyOnce);
    verdicts.push({ target: target.name, isExactlyOnce: target.isExactlyOnce, messages, lost, doubled, foreign, altered, isPassed });
    findings.push(...(await withMoments(clickHouse, target, found)));
  }
  return { verdicts, findings };
}

type Counts = readonly (readonly [offset: number, times: number])[];

/** Both in the order of offsets. */
export function compare(target: Pick<Target, 'name' | 'keeps'>, truth: PartitionTruth, counts: Counts): Finding[] {
  const { topic, partition } = truth;
  const expected = truth[target.keeps];
  const findings: Finding[] = [];
  const add = (what: Finding['what'], offset: number, times: number): void => {
    findings.push({ target: target.name, what, topic, partition, offset, times, writtenAtMs: truth.writtenAtMs.get(offset) ?? 0 });
  };
  let next = 0;
  for (const [offset, times] of counts) {
    for (; next < expected.length && (expected[next] as number) < offset; next += 1) add('lost', expected[next] as number, 0);
    if (expected[next] === offset) next += 1;
    else add('foreign', offset, times);
    if (times > 1) add('doubled', offset, times);
  }
  for (; next < expected.length; next += 1) add('lost', expected[next] as number, 0);
  return findings;
}

function parametersOf({ topic, partition }: Pick<Finding, 'topic' | 'partition'>): Record<string, string> {
  return { param_topic: topic, param_partition: String(partition) };
}

async function countsOf(clickHouse: ClickHousePart, { countsSql }: Target, truth: PartitionTruth): Promise<Counts> {
  const text = await clickHouse.query(countsSql, { ...parametersOf(truth), max_memory_usage: '0' });
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t').map(Number) as [number, number]);
}

async function addsUp(clickHouse: ClickHousePart, { sumSql }: Target, truth: PartitionTruth): Promise<boolean> {
  return sumSql === undefined || BigInt(await clickHouse.query(sumSql, parametersOf(truth))) === truth.sum;
}

const MOMENTS_AT_MOST = 200;

async function withMoments(clickHouse: ClickHousePart, { momentsSql }: Target, findings: readonly Finding[]): Promise<Finding[]> {
  if (momentsSql === undefined) return [...findings];
  const told: Finding[] = [];
  for (const [index, finding] of findings.entries()) {
    if (finding.times === 0 || index >= MOMENTS_AT_MOST) {
      told.push(finding);
      continue;
    }
    const text = await clickHouse.query(momentsSql, { ...parametersOf(finding), param_offset: String(finding.offset) });
    const [first = 0, last = 0] = text.split('\t').map(Number);
    told.push({ ...finding, insertedAtMs: [first, last] });
  }
  return told;
}
