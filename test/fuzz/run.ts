// `npm run test:fuzz`: statements that nobody would write, and the same thing very often in a row. Exit code 1 when one of them does what it must not.
import { parseArgs } from 'node:util';
import { Random } from '../faults/random.ts';
import { checkStatement, type Outcome } from './check.ts';
import { fuzz } from './fuzz.ts';
import { growthOf, SHAPES } from './growth.ts';
import { randomStatement } from './statements.ts';

const { values } = parseArgs({
  options: {
    statements: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kilobytes: { type: 'string', default: '1024' },
    show: { type: 'string' },
  },
});

async function main(): Promise<void> {
  const seed = Number(values.seed);
  if (values.show !== undefined) {
    console.log(randomStatement(new Random(Number(values.show))));
    return;
  }
  console.log(`${values.statements} statements, seed ${seed}`);
  const startedMs = performance.now();
  const { outcomes, failures, slowest } = await fuzz(Number(values.statements), seed, checkStatement);
  const seconds = (performance.now() - startedMs) / 1000;
  const counts = (Object.entries(outcomes) as [Outcome, number][]).map(([outcome, count]) => `${count} ${outcome}`);
  console.log(`${seconds.toFixed(0)} s: ${counts.join(', ')}; the slowest took ${slowest.ms.toFixed(1)} ms (--show ${slowest.seed})`);
  for (const { seed: of, error } of failures) console.log(`FAILED --show ${of}: ${error.stack ?? error.message}`);
  let slow = 0;
  for (const name of Object.keys(SHAPES)) {
    for (const { question, factor, ms, isLinear } of await growthOf(name, Number(values.kilobytes) * 1024)) {
      if (ms > 100 || !isLinear)
        console.log(
          `${isLinear ? 'ok' : 'FAILED'}: ${name}, ${question}: ${ms.toFixed(0)} ms, ${factor.toFixed(1)} times as long for 8 times as much`,
        );
      if (!isLinear) slow += 1;
    }
  }
  console.log(`${Object.keys(SHAPES).length} shapes up to ${values.kilobytes} KiB`);
  const failed = failures.length + slow;
  process.exitCode = failed === 0 ? 0 : 1;
  console.log(`${failed === 0 ? 1 : 0} passed, ${failed} failed`);
}

await main();
