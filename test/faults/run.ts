// `npm run test:faults`: whatever dies, each message is in every target once. See `--help` and test/README.md.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drain } from './drain.ts';
import { injectFaults } from './flow.ts';
import { Journal } from './journal.ts';
import { HELP, readOptions, type Options } from './options.ts';
import { Producers } from './producers.ts';
import { Random } from './random.ts';
import { checksOf, figuresOf, renderFindings, renderReport, type Outcome } from './report.ts';
import { readTruth } from './truth.ts';
import { verify } from './verify.ts';
import { createWorld, type World } from './world.ts';

const DRAIN_LIMIT_MS = 180_000;

async function runFaults(options: Options): Promise<Outcome> {
  const journal = new Journal(options.journalFolder);
  const startedAtMs = Date.now();
  journal.say(
    `seed ${options.seed}, ${options.faults} faults, ${options.isPeer ? 'the native engine' : 'the gateway'}, journal in ${journal.folder}`,
  );
  const world = await createWorld({ isPeer: options.isPeer, journal });
  try {
    journal.say(`the servers are up, ${world.gateways.running.length} gateways`);
    return await harm(world, options, startedAtMs);
  } finally {
    journal.keep('clickhouse.log', world.clickHouse.output());
    await world.stop();
  }
}

async function harm(world: World, options: Options, startedAtMs: number): Promise<Outcome> {
  const { journal, kafka, schema } = world;
  const producers = new Producers({
    brokers: kafka.brokers,
    topics: schema.topics,
    messagesPerSecond: options.messagesPerSecond,
    random: new Random(options.seed + 1_000_000),
    journal,
  });
  producers.start();
  const faults = await injectFaults(world, { ...options, limitMs: options.minutes * 60_000 });
  await producers.stop();
  await producers.writeEnds();
  journal.say(`${faults.length} faults, ${producers.numbered} numbers given; everything drains`);
  const drained = await drain(world, DRAIN_LIMIT_MS);
  journal.say(
    drained.isDone ? `drained in ${drained.tookMs} ms` : `not drained after ${drained.tookMs} ms:\n  ${drained.unfinished.join('\n  ')}`,
  );
  const { deaths } = world.gateways;
  await world.gateways.stopAll();
  const verification = await verify(world.clickHouse, schema, await readTruth(kafka.brokers, schema.topics));
  return {
    reader: options.isPeer ? 'native engine' : 'gateway',
    seed: options.seed,
    minutes: (Date.now() - startedAtMs) / 60_000,
    faults,
    kinds: options.kinds.map(({ name }) => name),
    drained,
    verification,
    deaths,
    serverDeaths: world.serverDeaths,
  };
}

function print(outcome: Outcome, { journalFolder }: Options): void {
  const findings = renderFindings(outcome);
  if (findings !== '') console.log(`\n${findings}`);
  for (const death of outcome.deaths) console.log(`\n${death}`);
  writeFileSync(join(journalFolder, 'findings.json'), JSON.stringify(outcome.verification.findings));
  console.log(`\n${renderReport(outcome)}\n`);
  const checks = checksOf(outcome);
  for (const { sentence, isPassed } of checks) console.log(`${isPassed ? '✔' : '✘'} ${sentence}`);
  const passed = checks.filter(({ isPassed }) => isPassed).length;
  console.log(`\n${JSON.stringify(figuresOf(outcome))}`);
  console.log(`\n${passed} passed, ${checks.length - passed} failed`);
  if (passed < checks.length) process.exitCode = 1;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // The servers end with this process, and their folders go with it.
  process.once(signal, () => process.exit(130));
}
try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) process.stdout.write(HELP);
  else print(await runFaults(options), options);
} catch (error) {
  console.error(`test:faults failed: ${(error as Error).stack ?? String(error)}`);
  process.exitCode = 1;
}
// Clients of a broker that went away may go on looking for it.
process.exit();
