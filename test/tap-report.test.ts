import test from 'ava';
import { TapReport } from './tap-report.ts';

test('the report counts what passed and failed and shows what a failed test says', (t) => {
  const lines: string[] = [];
  const report = new TapReport((line) => {
    lines.push(line);
  });
  const tap = [
    'TAP version 13',
    'ok 1 - a › it works',
    'not ok 2 - b › it breaks',
    '#   what its gateway logged',
    '  ---',
    '    message: no',
    '  ...',
    'ok 3 - c › later # SKIP',
    'not ok 4 - d › wish # TODO',
    '#   a line that the test logged',
    '# a › hook that has run',
    '# 2 tests remaining in test/slow.test.ts',
    '',
    '1..2',
    '# tests 2',
    '# pass 1',
    '# fail 1',
  ];
  for (const line of tap) report.add(line);
  t.deepEqual([report.passed, report.failed], [1, 1]);
  t.deepEqual(lines, [
    '✔ a › it works',
    '✘ b › it breaks',
    '#   what its gateway logged',
    '    message: no',
    '- c › later # SKIP',
    '- d › wish # TODO',
    '#   a line that the test logged',
    '# 2 tests remaining in test/slow.test.ts',
  ]);
  t.deepEqual(report.failures(), ['✘ b › it breaks', '#   what its gateway logged', '    message: no']);
});
