import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '../parts/wait-for.ts';
import { produceBacklog, type Backlog } from './backlog.ts';
import type { Running, Scenario, World } from './memory-run.ts';
import { medianOf } from './report.ts';

export const SCENARIO_NAMES = [
  'backlog',
  'compressed',
  'one-byte',
  'large',
  'partitions',
  'two-tables',
  'two-backlogs',
  'stalled',
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

const SMALL = { columns: 'n UInt64, k String', format: 'JSONEachRow' } as const;
const RAW = { columns: 'raw String', format: 'RawBLOB' } as const;

const LARGE_MESSAGES = 60;
const LARGE_BYTES = 10_000_000;
const STALL_MS = 20_000;
const TRICKLE_PAUSE_MS = 100;
const MIB = 1024 ** 2;

/** All scenarios, for large backlogs of `messages`. */
export function scenarios(messages: number): (Scenario & { readonly name: ScenarioName })[] {
  const tenth = Math.ceil(messages / 10);
  const small = (topic: string, partitions: number, count: number): Backlog => ({
    ...SMALL,
    topic,
    partitions,
    codec: 'lz4',
    sql: `SELECT number, 'key' || toString(number % 1000) FROM numbers(${count})`,
  });
  const filled =
    (...backlogs: readonly Backlog[]) =>
    async ({ kafka, clickHouse }: World): Promise<void> => {
      for (const backlog of backlogs) {
        await kafka.createTopic(backlog.topic, backlog.partitions);
        await produceBacklog(kafka, clickHouse, backlog);
      }
    };
  const big = { name: 'big', topic: 'big', ...SMALL };
  return [
    { name: 'backlog', tables: [big], fill: filled(small('big', 4, messages)) },
    {
      // A fetch is limited in compressed bytes; these become fifty times as many.
      name: 'compressed',
      tables: [{ name: 'big', topic: 'big', ...RAW }],
      fill: filled({
        ...RAW,
        topic: 'big',
        partitions: 4,
        codec: 'zstd',
        sql: `SELECT repeat('sluice ', 250) || toString(number) FROM numbers(${tenth})`,
      }),
    },
    {
      name: 'one-byte',
      tables: [{ name: 'big', topic: 'big', ...RAW }],
      fill: filled({ ...RAW, topic: 'big', partitions: 4, codec: 'lz4', sql: `SELECT toString(number % 10) FROM numbers(${tenth})` }),
    },
    {
      name: 'large',
      brokerProperties: { 'message.max.bytes': '12000000' },
      tables: [{ name: 'big', topic: 'big', ...RAW }],
      fill: fillLarge,
    },
    { name: 'partitions', tables: [big], fill: filled(small('big', 100, tenth)) },
    {
      name: 'two-tables',
      tables: [big, { name: 'trickle', topic: 'trickle', ...SMALL }],
      fill: filled(small('big', 4, messages), small('trickle', 1, 1)),
      meanwhile: trickle,
    },
    {
      name: 'two-backlogs',
      tables: [big, { name: 'other', topic: 'other', ...SMALL }],
      fill: filled(small('big', 4, Math.ceil(messages / 2)), small('other', 4, Math.ceil(messages / 2))),
      meanwhile: share,
    },
    { name: 'stalled', tables: [big], fill: filled(small('big', 4, messages)), meanwhile: stall },
  ];
}

/** Random bytes, which no codec makes smaller. */
async function fillLarge({ kafka }: World): Promise<void> {
  await kafka.createTopic('big', 4, { 'max.message.bytes': '12000000' });
  const producer = await kafka.producer();
  try {
    for (let i = 0; i < LARGE_MESSAGES; i++)
      await producer.send({ topic: 'big', messages: [{ value: randomBytes(LARGE_BYTES), partition: i % 4 }] });
  } finally {
    await producer.disconnect();
  }
}

/** Ten messages a second into the small table until the backlog is in: how long until each is there, and how fast the backlog goes meanwhile. */
async function trickle({ kafka, rows }: Running): Promise<Record<string, number>> {
  const backlog = Number((await kafka.endOffsets('big')).reduce((sum, { high }) => sum + high, 0n));
  const before = Number((await kafka.endOffsets('trickle')).reduce((sum, { high }) => sum + high, 0n));
  await waitFor(async () => (await rows('trickle')) >= before && (await rows('big')) > 0, {
    timeoutMs: 60_000,
    message: 'both tables to begin',
  });
  const producer = await kafka.producer();
  const sentAtMs: number[] = [];
  const delaysMs: number[] = [];
  const startedMs = performance.now();
  const startedAt = await rows('big');
  const see = async (): Promise<void> => {
    const there = (await rows('trickle')) - before;
    while (delaysMs.length < there) delaysMs.push(performance.now() - (sentAtMs[delaysMs.length] ?? 0));
  };
  try {
    while ((await rows('big')) < backlog) {
      sentAtMs.push(performance.now());
      await producer.send({ topic: 'trickle', messages: [{ value: `{"n":${sentAtMs.length},"k":"k"}` }] });
      await see();
      await pause(TRICKLE_PAUSE_MS);
    }
    const seconds = (performance.now() - startedMs) / 1000;
    await waitFor(
      async () => {
        await see();
        return delaysMs.length >= sentAtMs.length;
      },
      { timeoutMs: 60_000, message: 'the last messages of the trickle' },
    );
    delaysMs.sort((a, b) => a - b);
    return {
      'delay ms median': medianOf(delaysMs),
      'delay ms p95': delaysMs[Math.floor(delaysMs.length * 0.95)] ?? 0,
      'delay ms max': delaysMs.at(-1) ?? 0,
      'trickled messages': delaysMs.length,
      'backlog rows/s': (backlog - startedAt) / seconds,
    };
  } finally {
    await producer.disconnect();
  }
}

/** How much of the other table is in when the first of two equal backlogs is, in percent. */
async function share({ kafka, rows }: Running): Promise<Record<string, number>> {
  const backlog = Number((await kafka.endOffsets('big')).reduce((sum, { high }) => sum + high, 0n));
  let both = [0, 0];
  await waitFor(
    async () => {
      both = [await rows('big'), await rows('other')];
      return Math.max(...both) >= backlog;
    },
    { timeoutMs: 900_000, message: 'one of two backlogs' },
  );
  return { 'slower table %': (Math.min(...both) / Math.max(...both)) * 100 };
}

/** The server stands still for a while in the midst of the backlog. */
async function stall({ clickHouse, rows, sampler }: Running): Promise<Record<string, number>> {
  await waitFor(async () => (await rows('big')) > 0, { timeoutMs: 60_000, message: 'the first rows' });
  process.kill(clickHouse.pid, 'SIGSTOP');
  const mark = sampler.mark();
  try {
    await pause(STALL_MS);
  } finally {
    process.kill(clickHouse.pid, 'SIGCONT');
  }
  const stalled = sampler.since(mark);
  return {
    'stalled, first s MiB': Math.max(...stalled.slice(0, 10)) / MIB,
    'stalled, max MiB': Math.max(...stalled) / MIB,
    'stalled, last s MiB': Math.max(...stalled.slice(-10)) / MIB,
  };
}
