import test from 'ava';
import type { Figures, Variant } from './measure.ts';
import { judge, median, renderTable, summarize, type Round } from './report.ts';

const latency = (medianMs: number, p99Ms: number, cpuMicrosecondsPerRequest = 0): Figures => {
  return { kind: 'latency', medianMs, p99Ms, perSecond: 1000, cpuMicrosecondsPerRequest };
};
const throughput = (mebibytesPerSecond: number): Figures => ({ kind: 'throughput', mebibytesPerSecond, cpuSecondsPerGibibyte: 1 });
const round = (figures: Partial<Record<Variant, Figures>>): Round => new Map(Object.entries(figures) as [Variant, Figures][]);

test('what a proxy adds is the median of the rounds, each against the direct way of its own round', (t) => {
  const rounds = [
    round({ direct: latency(10, 20), nginx: latency(11, 22) }),
    round({ direct: latency(30, 40), nginx: latency(33, 41) }),
    round({ direct: latency(20, 30), nginx: latency(22, 33) }),
  ];
  const { figures } = summarize('http-latency', 'nginx', rounds);
  t.is(figures['addedMedianMs'], 2);
  t.is(figures['addedP99Ms'], 2);
  t.is(figures['medianMs'], 22);
  t.is(median([1, 2, 3, 10]), 2.5);
});

test('HTTP is judged against nginx, the native protocol against haproxy', (t) => {
  const http = judge('http-latency', [round({ direct: latency(10, 20), nginx: latency(12, 22, 20), gateway: latency(13, 26, 50) })]);
  t.deepEqual(
    http.map(({ value, isMet }) => [value, isMet]),
    [
      [1.5, true],
      [3, false],
      [2.5, false],
    ],
  );
  const rounds = [
    round({ haproxy: throughput(100), gateway: throughput(90) }),
    round({ haproxy: throughput(200), gateway: throughput(100) }),
  ];
  t.like(judge('native-insert', rounds), [{ value: 0.7, isMet: false }]);
  t.deepEqual(judge('native-insert', [round({ direct: throughput(1), gateway: throughput(1) })]), []);
});

test('a rival that was not slower than the direct way cannot be compared with', (t) => {
  const rounds = [round({ direct: latency(10, 20), nginx: latency(9, 22, 1), gateway: latency(13, 26, 1) })];
  const goals = judge('http-latency', rounds);
  t.is(goals[0]?.isMet, undefined);
  const results = (['direct', 'nginx', 'gateway'] as const).map((variant) => summarize('http-latency', variant, rounds));
  t.regex(renderTable(results, goals), /added median latency, gateway : nginx +NaN +at most 2 +unclear/);
});
