import type { Measurement, Variant } from './measure.ts';
import type { Shape } from './shapes.ts';

/** The median of several runs of one variant over one shape, figure by figure. */
export interface Result extends Measurement {
  readonly shape: Shape['name'];
  readonly variant: Variant;
  readonly rows: number;
  /** Each run by itself, in their order: rounds of all variants follow one another. */
  readonly runs: readonly Measurement[];
}

/** A ratio or limit that the gateway has to reach. */
export interface Goal {
  readonly shape: Shape['name'];
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly isAtLeast: boolean;
  readonly isMet: boolean;
}

const MEBIBYTE = 1024 * 1024;

/** Each figure's median by itself; the mean of the middle two for an even number of runs. */
export function median(runs: readonly Measurement[]): Measurement {
  const of = (figure: keyof Measurement): number => medianOf(runs.map((run) => run[figure]));
  return {
    rowsPerSecond: of('rowsPerSecond'),
    rowsPerSecondTo95: of('rowsPerSecondTo95'),
    serverCpuSecondsPerMillion: of('serverCpuSecondsPerMillion'),
    brokerCpuSecondsPerMillion: of('brokerCpuSecondsPerMillion'),
    gatewayCpuSecondsPerMillion: of('gatewayCpuSecondsPerMillion'),
    gatewayPeakBytes: of('gatewayPeakBytes'),
  };
}

/** The mean of the middle two for an even number of values. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/** The median of what two variants' figures are to each other in each round: a machine that is slow for a while is so for both. */
function ratio(one: Result, other: Result, of: (run: Measurement) => number): number {
  return medianOf(one.runs.map((run, i) => of(run) / of(other.runs[i] as Measurement)));
}

const rowsPerSecond = (run: Measurement): number => run.rowsPerSecond;
const totalCpu = (run: Measurement): number => run.gatewayCpuSecondsPerMillion + run.serverCpuSecondsPerMillion;

/** The goals whose figures were measured. `native` is the better of its two variants, by rows/s. */
export function judge(results: readonly Result[]): Goal[] {
  const goals: Goal[] = [];
  for (const shape of ['wide', 'narrow'] as const) {
    const find = (variant: Variant): Result | undefined => results.find((result) => result.shape === shape && result.variant === variant);
    const gateway = find('gateway');
    const insert = find('insert');
    const native = [find('native-1'), find('native-2')]
      .filter((result) => result !== undefined)
      .sort((a, b) => b.rowsPerSecond - a.rowsPerSecond)[0];
    if (gateway === undefined) continue;
    const add = (what: string, value: number, limit: number, isAtLeast: boolean): void => {
      goals.push({ shape, what, value, limit, isAtLeast, isMet: isAtLeast ? value >= limit : value <= limit });
    };
    if (native !== undefined) add(`rows/s, gateway : ${native.variant}`, ratio(gateway, native, rowsPerSecond), 4, true);
    if (shape === 'wide') {
      if (insert !== undefined) add('rows/s, gateway : insert', ratio(gateway, insert, rowsPerSecond), 0.75, true);
      if (native !== undefined) add(`CPU of gateway and server : ${native.variant}`, ratio(gateway, native, totalCpu), 0.35, false);
    }
    add('gateway CPU, s per million', gateway.gatewayCpuSecondsPerMillion, shape === 'wide' ? 4 : 1.2, false);
    add('gateway peak memory, MiB', gateway.gatewayPeakBytes / MEBIBYTE, 400, false);
  }
  return goals;
}

export function renderTable(results: readonly Result[], goals: readonly Goal[]): string {
  const figures = results.map((result) => [
    result.shape,
    result.variant,
    Math.round(result.rowsPerSecond).toLocaleString('en-US'),
    Math.round(result.rowsPerSecondTo95).toLocaleString('en-US'),
    result.gatewayPeakBytes === 0 ? '' : result.gatewayCpuSecondsPerMillion.toFixed(2),
    result.serverCpuSecondsPerMillion.toFixed(2),
    result.brokerCpuSecondsPerMillion.toFixed(2),
    result.gatewayPeakBytes === 0 ? '' : (result.gatewayPeakBytes / MEBIBYTE).toFixed(0),
  ]);
  const header = [
    'shape',
    'variant',
    'rows/s',
    'rows/s to 95 %',
    'gateway CPU s/M',
    'server CPU s/M',
    'broker CPU s/M',
    'gateway peak MiB',
  ];
  const judged = goals.map((goal) => [
    goal.shape,
    goal.what,
    goal.value.toFixed(2),
    `${goal.isAtLeast ? 'at least' : 'at most'} ${goal.limit}`,
    goal.isMet ? 'met' : 'MISSED',
  ]);
  return `${alignColumns([header, ...figures])}\n\n${alignColumns([['shape', 'goal', 'measured', 'to reach', ''], ...judged])}`;
}

export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isText = (column: number): boolean => column < 2;
  return rows
    .map((row) =>
      row
        .map((cell, column) => (isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
