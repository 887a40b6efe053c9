import test from 'ava';
import { checkStatement } from './check.ts';
import { fuzz } from './fuzz.ts';
import { growthOf, SHAPES } from './growth.ts';

// `npm run test:fuzz` is the long form.
const STATEMENTS = 20_000;

test('whatever is sent as a statement is read or not, and nothing else happens', async (t) => {
  const seed = 4711;
  const { outcomes, failures, slowest } = await fuzz(STATEMENTS, seed, checkStatement);
  t.deepEqual(
    failures.map((failure) => `npm run test:fuzz -- --show ${failure.seed}: ${failure.error.message}`),
    [],
  );
  // A generator whose statements all fail at their first word would prove nothing.
  for (const [outcome, count] of Object.entries(outcomes)) t.true(count > STATEMENTS / 100, `${outcome}: ${count}`);
  t.log(outcomes, slowest);
});

test('the time for a statement grows with its length and no faster', async (t) => {
  for (const name of Object.keys(SHAPES)) {
    for (const { question, ms, factor, isLinear } of await growthOf(name, 16 * 1024))
      t.true(isLinear, `${name}, ${question}: ${ms.toFixed(1)} ms, ${factor.toFixed(1)} times as long for 8 times as much`);
  }
});
