import test from 'ava';
import type { Measurement, Variant } from './measure.ts';
import { judge, median, renderTable, type Result } from './report.ts';

const figures = (
  rowsPerSecond: number,
  serverCpuSecondsPerMillion: number,
  gatewayCpuSecondsPerMillion = 0,
  gatewayPeakBytes = 0,
): Measurement => ({
  rowsPerSecond,
  rowsPerSecondTo95: rowsPerSecond,
  serverCpuSecondsPerMillion,
  brokerCpuSecondsPerMillion: 1,
  gatewayCpuSecondsPerMillion,
  gatewayPeakBytes,
});
const wide = (variant: Variant, measurement: Measurement): Result => ({
  shape: 'wide',
  variant,
  rows: 1_000_000,
  runs: [measurement],
  ...measurement,
});

test('the median of several runs is taken figure by figure', (t) => {
  t.is(median([figures(3, 1), figures(1, 9), figures(2, 5)]).rowsPerSecond, 2);
  t.is(median([figures(3, 1), figures(1, 9), figures(2, 5)]).serverCpuSecondsPerMillion, 5);
  t.is(median([figures(4, 1), figures(1, 9), figures(2, 5), figures(3, 0)]).rowsPerSecond, 2.5);
  t.is(median([figures(7, 1)]).rowsPerSecond, 7);
});

test('goals compare the gateway with the better native figure and with the plain insert', (t) => {
  const goals = judge([
    wide('insert', figures(200_000, 6)),
    wide('native-1', figures(25_000, 36)),
    wide('native-2', figures(40_000, 35)),
    wide('gateway', figures(180_000, 6, 4.5, 300 * 1024 * 1024)),
  ]);
  t.deepEqual(
    goals.map(({ what, value, isMet }) => [what, value, isMet]),
    [
      ['rows/s, gateway : native-2', 4.5, true],
      ['rows/s, gateway : insert', 0.9, true],
      ['CPU of gateway and server : native-2', 0.3, true],
      ['gateway CPU, s per million', 4.5, false],
      ['gateway peak memory, MiB', 300, true],
    ],
  );
});

test('what two variants are to each other is taken round by round', (t) => {
  const rounds = (variant: Variant, ...rowsPerSecond: number[]): Result => {
    const runs = rowsPerSecond.map((speed) => figures(speed, 1));
    return { shape: 'wide', variant, rows: 1_000_000, runs, ...median(runs) };
  };
  // The machine was three times as slow in the second round, and the third favoured the gateway.
  const [goal] = judge([rounds('insert', 300, 100, 300), rounds('gateway', 240, 80, 300)]);
  t.is(goal?.value, 0.8);
});

test('goals without their figures are left out, and the table shows what there is', (t) => {
  const results = [wide('native-1', figures(25_000, 36))];
  t.deepEqual(judge(results), []);
  t.regex(renderTable(results, []), /wide {3}native-1 {2}25,000 +25,000 +36\.00 +1\.00/);
});
