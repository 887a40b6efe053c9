import { alignColumns } from '../report.ts';
import type { Figures, Measure, Variant } from './measure.ts';

/** One round of a measure: what each variant did, one right after the other. */
export type Round = ReadonlyMap<Variant, Figures>;

export interface Result {
  readonly measure: Measure;
  readonly variant: Variant;
  readonly runs: number;
  /** Each the median of the rounds, and so are the differences to the direct way and the shares of it, which are taken round by round. */
  readonly figures: Readonly<Record<string, number>>;
}

/** A ratio that the gateway has to reach, the median of the rounds' ratios. */
export interface Goal {
  readonly measure: Measure;
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly isAtLeast: boolean;
  /** Undefined when the machine was too busy to tell: the rival's latency was not above the direct one. */
  readonly isMet: boolean | undefined;
}

const MAX_ADDED_LATENCY = 2;
const MIN_THROUGHPUT = 0.8;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

export function summarize(measure: Measure, variant: Variant, rounds: readonly Round[]): Result {
  const inRounds = rounds.map((round) => figuresOf(round, variant));
  const names = Object.keys(inRounds[0] ?? {});
  const figures = Object.fromEntries(names.map((name) => [name, median(inRounds.map((round) => round[name] ?? Number.NaN))]));
  return { measure, variant, runs: rounds.length, figures };
}

function figuresOf(round: Round, variant: Variant): Record<string, number> {
  const figures = round.get(variant);
  const direct = round.get('direct');
  if (figures?.kind === 'latency') {
    const { medianMs, p99Ms, perSecond, cpuMicrosecondsPerRequest } = figures;
    const added =
      direct?.kind === 'latency' && variant !== 'direct'
        ? { addedMedianMs: medianMs - direct.medianMs, addedP99Ms: p99Ms - direct.p99Ms }
        : undefined;
    return { medianMs, p99Ms, perSecond, ...added, cpuMicrosecondsPerRequest };
  }
  if (figures?.kind === 'throughput') {
    const { mebibytesPerSecond, cpuSecondsPerGibibyte } = figures;
    const share = direct?.kind === 'throughput' ? { shareOfDirect: mebibytesPerSecond / direct.mebibytesPerSecond } : undefined;
    return { mebibytesPerSecond, ...share, cpuSecondsPerGibibyte };
  }
  return {};
}

/** The goals whose variants were measured: HTTP against nginx, native against haproxy. */
export function judge(measure: Measure, rounds: readonly Round[]): Goal[] {
  const rival: Variant = measure.startsWith('http') ? 'nginx' : 'haproxy';
  const gateway = summarize(measure, 'gateway', rounds).figures;
  const other = summarize(measure, rival, rounds).figures;
  const goal = (what: string, value: number, limit: number, isAtLeast: boolean): Goal => {
    const isMet = Number.isNaN(value) ? undefined : isAtLeast ? value >= limit : value <= limit;
    return { measure, what: `${what}, gateway : ${rival}`, value, limit, isAtLeast, isMet };
  };
  const added = (figure: string): number => {
    const [ours = 0, theirs = 0] = [gateway[figure], other[figure]];
    return theirs > 0 ? ours / theirs : Number.NaN;
  };
  if (gateway['addedMedianMs'] !== undefined && other['addedMedianMs'] !== undefined) {
    if (rival === 'haproxy') return [];
    return [
      goal('added median latency', added('addedMedianMs'), MAX_ADDED_LATENCY, false),
      goal('added p99 latency', added('addedP99Ms'), MAX_ADDED_LATENCY, false),
      // Of what latency is made when cores are shared, and hardly disturbed by others.
      goal('CPU per request', added('cpuMicrosecondsPerRequest'), MAX_ADDED_LATENCY, false),
    ];
  }
  const ratios = rounds.map((round) => throughput(round, 'gateway') / throughput(round, rival)).filter((ratio) => !Number.isNaN(ratio));
  return ratios.length === 0 ? [] : [goal('throughput', median(ratios), MIN_THROUGHPUT, true)];
}

function throughput(round: Round, variant: Variant): number {
  const figures = round.get(variant);
  return figures?.kind === 'throughput' ? figures.mebibytesPerSecond : Number.NaN;
}

export function renderTable(results: readonly Result[], goals: readonly Goal[]): string {
  const latencies = results.filter(({ figures }) => 'medianMs' in figures);
  const throughputs = results.filter(({ figures }) => 'mebibytesPerSecond' in figures);
  const row = ({ measure, variant, figures }: Result, columns: readonly (readonly [string, number])[]): string[] => [
    measure,
    variant,
    ...columns.map(([name, digits]) => figures[name]?.toFixed(digits) ?? ''),
  ];
  const tables: string[][][] = [];
  if (latencies.length > 0) {
    const header = ['measure', 'variant', 'median ms', 'p99 ms', 'added median', 'added p99', 'requests/s', 'CPU µs/request'];
    // prettier-ignore
    const columns = [['medianMs', 2], ['p99Ms', 2], ['addedMedianMs', 2], ['addedP99Ms', 2], ['perSecond', 0], ['cpuMicrosecondsPerRequest', 0]] as const;
    tables.push([header, ...latencies.map((result) => row(result, columns))]);
  }
  if (throughputs.length > 0) {
    const header = ['measure', 'variant', 'MiB/s', 'of direct', 'CPU s/GiB'];
    const columns = [['mebibytesPerSecond', 0], ['shareOfDirect', 2], ['cpuSecondsPerGibibyte', 2]] as const; // prettier-ignore
    tables.push([header, ...throughputs.map((result) => row(result, columns))]);
  }
  const judged = goals.map((goal) => [
    goal.measure,
    goal.what,
    goal.value.toFixed(2),
    `${goal.isAtLeast ? 'at least' : 'at most'} ${goal.limit}`,
    goal.isMet === undefined ? 'unclear' : goal.isMet ? 'met' : 'MISSED',
  ]);
  if (judged.length > 0) tables.push([['measure', 'goal', 'measured', 'to reach', ''], ...judged]);
  return tables.map(alignColumns).join('\n\n');
}
