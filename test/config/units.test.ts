import test from 'ava';
import { formatByteSize, formatDuration, parseByteSize, parseDurationMs } from '../../src/config/units.ts';

test('durations are read in every unit, a plain number is milliseconds', (t) => {
  const cases = { '500ms': 500, '7.5s': 7500, '2m': 120_000, '1h': 3_600_000, '1000': 1000, ' 3 s ': 3000, '0': 0, '2S': 2000 };
  for (const [text, ms] of Object.entries(cases)) t.is(parseDurationMs(text), ms, text);
});

test('byte sizes are read in every unit, a plain number is bytes', (t) => {
  const cases = { '192MiB': 201_326_592, '64MB': 64_000_000, '512K': 524_288, '1g': 1_073_741_824, '1.5KiB': 1536, '10b': 10, '7': 7 };
  for (const [text, bytes] of Object.entries(cases)) t.is(parseByteSize(text), bytes, text);
});

test('what is not one non-negative number with a known unit is refused', (t) => {
  const wrong = ['', ' ', '-1s', '1 2', '5 minutes', 's', '1e3', '.5s', '1,5s', '0x10', '1s2', 'NaN', 'Infinity', '99999999999999999999'];
  for (const text of [...wrong, '5MiB']) t.is(parseDurationMs(text), undefined, text);
  for (const text of [...wrong, '5 s', '1TBB']) t.is(parseByteSize(text), undefined, text);
});

test('values are shown in the largest unit that is exact', (t) => {
  t.deepEqual([0, 1536, 1500, 201_326_592, 1_073_741_824].map(formatByteSize), ['0', '1536', '1500', '192MiB', '1GiB']);
  t.deepEqual([0, 500, 30_000, 90_000, 7_200_000].map(formatDuration), ['0ms', '500ms', '30s', '90s', '2h']);
});
