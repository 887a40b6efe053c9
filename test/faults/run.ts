// `npm run test:faults`: whatever dies, each message is in every target once. See `--help` and test/README.md.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drain, type Drained } from './drain.ts';
import { injectFaults } from './flow.ts';
import { Journal } from './journal.ts';
import { HELP, readOptions, type Options } from './options.ts';
import { Producers } from './producers.ts';
import { Random } from './random.ts';
import { checksOf, figuresOf, renderFindings, renderReport, type Outcome } from './report.ts';
import { OUT_PARTITIONS } from './out-schema.ts';
import { readOut } from './out-truth.ts';
import { readTruth } from './truth.ts';
import { verify, type Verification } from './verify.ts';
import { verifyOut } from './verify-out.ts';
import { createWorld, type World } from './world.ts';
import { Writers } from './writers.ts';

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
  const writers = new Writers(world, options.seed + 2_000_000);
  writers.start();
  const faults = await injectFaults(world, { ...options, limitMs: options.minutes * 60_000 });
  const [unacknowledged] = await Promise.all([writers.stop(), producers.stop()]);
  await producers.writeEnds();
  journal.say(
    `${faults.length} faults, ${producers.numbered} numbers given; ` +
      `${writers.repeats} INSERTs of writers repeated, ${writers.queued} acknowledged as queued, ${writers.doubtful} with an outcome that nobody knows; everything drains`,
  );
  const drained = await drainAll(world, writers, unacknowledged);
  journal.say(
    drained.isDone ? `drained in ${drained.tookMs} ms` : `not drained after ${drained.tookMs} ms:\n  ${drained.unfinished.join('\n  ')}`,
  );
  const { deaths } = world.gateways;
  await world.gateways.stopAll();
  await producers.writeEnds(schema.outTables.map(({ topic }) => ({ name: topic, partitions: OUT_PARTITIONS })));
  const verification = await verifyAll(world, writers);
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

async function drainAll(world: World, writers: Writers, unacknowledged: readonly string[]): Promise<Drained> {
  const drained = await drain(world, DRAIN_LIMIT_MS);
  const late = await writers.flush();
  const unfinished = [...drained.unfinished, ...unacknowledged, ...late.map((target) => `${target}: rows wait in the outbox`)];
  return { ...drained, isDone: drained.isDone && unfinished.length === 0, unfinished };
}

async function verifyAll({ clickHouse, kafka, schema }: World, writers: Writers): Promise<Verification> {
  const truths = await readTruth(kafka.brokers, schema.topics);
  const tables = await verify(clickHouse, schema, truths);
  if (schema.outTables.length === 0) return tables;
  const out = verifyOut(schema.outTables, await readOut(kafka.brokers, schema.outTables, OUT_PARTITIONS), writers.written, truths);
  return { verdicts: [...tables.verdicts, ...out.verdicts], findings: [...tables.findings, ...out.findings] };
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
