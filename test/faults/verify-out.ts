import type { OutTable } from './out-schema.ts';
import type { OutMessage } from './out-truth.ts';
import type { PartitionTruth } from './truth.ts';
import { compare, type Finding, type Verdict, type Verification } from './verify.ts';
import type { Written } from './writers.ts';

/** Compares what the topics hold that were written through ClickHouse with what was written: all numbers of each writer, in his order, and each message of a pipe's first topic. */
export function verifyOut(
  tables: readonly OutTable[],
  found: ReadonlyMap<string, readonly OutMessage[]>,
  written: readonly Written[],
  truths: readonly PartitionTruth[],
): Verification {
  const verdicts: Verdict[] = [];
  const findings: Finding[] = [];
  for (const table of tables) {
    const messages = found.get(table.target) ?? [];
    const expected =
      table.pipeOf === undefined ? writtenInto(table, written, messages) : truths.filter(({ topic }) => isPiped(table, topic));
    const { verdict, differences } = verifyTable(table, messages, expected);
    verdicts.push(verdict);
    findings.push(...differences);
  }
  return { verdicts, findings };
}

/** A writer's numbers, as if they were the offsets of a partition. */
function writtenInto(table: OutTable, written: readonly Written[], messages: readonly OutMessage[]): PartitionTruth[] {
  return written
    .filter((one) => one.table === table)
    .map((one) => {
      const { writer, count, writtenAtMs } = one;
      const moments = new Map<number, number>();
      let atMs = 0;
      for (let n = 0; n < count; n += 1) moments.set(n, (atMs = writtenAtMs.get(n) ?? atMs));
      const absent = absentOf(one, messages);
      const readable = [...Array(count).keys()].filter((n) => !absent.has(n));
      return { topic: table.topic, partition: writer, readable, broken: [], sum: 0n, writtenAtMs: moments };
    });
}

/** Numbers of INSERTs that nobody knows of, of which nothing is there. */
function absentOf({ writer, doubtful }: Written, messages: readonly OutMessage[]): ReadonlySet<number> {
  const found = new Set(messages.filter(({ w }) => w === writer).map(({ n }) => n));
  const inserts = [...doubtful].map(([first, rows]) => Array.from({ length: rows }, (_, i) => first + i));
  return new Set(inserts.filter((numbers) => !numbers.some((n) => found.has(n))).flat());
}

function isPiped({ pipeOf = [] }: OutTable, topic: string): boolean {
  return pipeOf.some(({ name }) => name === topic);
}

function verifyTable(
  table: OutTable,
  messages: readonly OutMessage[],
  expected: readonly PartitionTruth[],
): { readonly verdict: Verdict; readonly differences: readonly Finding[] } {
  const { target } = table;
  const sent = new Map<number, Map<number, number[]>>();
  for (const { w = -1, n = -1, sentAtMs } of messages) {
    const numbers = sent.get(w) ?? new Map<number, number[]>();
    sent.set(w, numbers);
    numbers.set(n, [...(numbers.get(n) ?? []), sentAtMs]);
  }
  const differences: Finding[] = [];
  for (const truth of expected) {
    const numbers = sent.get(truth.partition) ?? new Map<number, number[]>();
    sent.delete(truth.partition);
    const counts = [...numbers].map(([n, moments]) => [n, moments.length] as const).sort(([a], [b]) => a - b);
    for (const finding of compare({ name: target, keeps: 'readable' }, truth, counts)) {
      const moments = numbers.get(finding.offset);
      differences.push({ ...finding, ...(moments && { insertedAtMs: [Math.min(...moments), Math.max(...moments)] as const }) });
    }
  }
  // Of nobody that we know.
  for (const [w, numbers] of sent) {
    for (const [n, moments] of numbers) {
      differences.push({ target, what: 'foreign', topic: table.topic, partition: w, offset: n, times: moments.length, writtenAtMs: 0 });
    }
  }
  const count = (what: Finding['what']): number => differences.filter((finding) => finding.what === what).length;
  const [lost, doubled, foreign] = [count('lost'), count('doubled'), count('foreign')];
  const disordered = table.pipeOf === undefined ? disorderedIn(messages) : 0;
  return {
    verdict: {
      target,
      isExactlyOnce: true,
      messages: expected.reduce((sum, { readable }) => sum + readable.length, 0),
      lost,
      doubled,
      foreign,
      altered: 0,
      ...(table.pipeOf === undefined && { disordered }),
      isPassed: lost === 0 && doubled === 0 && foreign === 0 && disordered === 0,
    },
    differences,
  };
}

/** How many messages stand behind one with a larger number of the same key, or in another partition than the key's first one. Messages without a key have no order. */
export function disorderedIn(messages: readonly OutMessage[]): number {
  const last = new Map<string, { readonly partition: number; readonly n: number }>();
  let disordered = 0;
  for (const { key, partition, n = -1 } of messages) {
    if (key === '') continue;
    const before = last.get(key);
    if (before !== undefined && (before.partition !== partition || n < before.n)) disordered += 1;
    last.set(key, { partition: before?.partition ?? partition, n: Math.max(n, before?.n ?? n) });
  }
  return disordered;
}
