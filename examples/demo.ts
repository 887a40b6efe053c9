// `npm run demo`: the tutorial of ClickHouse's Kafka engine, run through the gateway on a real Kafka and a real ClickHouse.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { ClickHousePart } from '../test/parts/clickhouse.ts';
import { startGateway } from '../test/parts/gateway.ts';
import type { KafkaPart } from '../test/parts/kafka.ts';
import { produceRows } from '../test/parts/produce-rows.ts';
import { readTopic } from '../test/parts/read-topic.ts';
import { startServers } from '../test/parts/servers.ts';
import { formatCount, Progress } from './progress.ts';

const HELP = `npm run demo -- [options]

Brings up Kafka and ClickHouse, starts the gateway and runs the statements of examples/github/ through it.

  --rows N    events to generate, 200000 when absent
  --keep      leave everything running until Ctrl-C
  --native    send the statements to ClickHouse itself, whose own Kafka engine runs them: the same tutorial without the gateway
  --help      show this

KAFKA_BROKERS and CLICKHOUSE_URL name servers of your own, to be used instead of new ones.
`;

const TOPIC = 'github';
const PARTITIONS = 5;
const OUT_TOPIC = 'github_out';
const OUT_EVENTS = 100;
const DATABASE = 'KafkaEngine';
const POLL_INTERVAL_MS = 100;
const LOG_LINES = 20;

/** The demo gives up when no row arrives for this long. */
const STALL_MS = 60_000;

interface DemoOptions {
  readonly rows: number;
  readonly keep: boolean;
  readonly native: boolean;
}

/** What the statements run against. */
interface Stage {
  readonly kafka: KafkaPart;
  readonly clickHouse: ClickHousePart;
  /** The gateway's URL; the server's own with `--native`. */
  readonly url: string;
}

/** Undone in reverse order at the end, whatever the end is. */
const cleanups: (() => Promise<unknown>)[] = [];

const state = { isDone: false, isStopping: false, gatewayLogs: (): string => '' };

function readOptions(): DemoOptions | undefined {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '200000' },
      keep: { type: 'boolean', default: false },
      native: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const rows = Number(values.rows);
  if (!Number.isSafeInteger(rows) || rows < 1) throw new Error(`--rows takes a whole number from 1, not '${values.rows}'`);
  return { rows, keep: values.keep, native: values.native };
}

async function runDemo(options: DemoOptions): Promise<void> {
  const stage = await setUp(options);
  await produceEvents(stage, options.rows);
  await streamEvents(stage, options.rows);
  await addMetadata(stage, options.rows);
  await writeToKafka(stage, options.rows + Math.ceil(options.rows / 10));
  state.isDone = true;
  if (options.keep) {
    explainConnecting(stage);
    console.log('\nEverything stays up: Ctrl-C ends it.');
    await new Promise(() => setInterval(() => undefined, 60_000));
  }
}

async function setUp({ native }: DemoOptions): Promise<Stage> {
  const { kafka, clickHouse, stop } = await step('Kafka and ClickHouse are up', startServers);
  cleanups.push(stop);
  if (native) return { kafka, clickHouse, url: clickHouse.url };
  const gateway = await step('the gateway is up', async () =>
    startGateway({ clickHouseUrl: clickHouse.url, clickHouseNativePort: clickHouse.nativePort, env: { SLUICE_LOG_LEVEL: 'warn' } }),
  );
  cleanups.push(async () => gateway.stop());
  state.gatewayLogs = () => gateway.logs();
  return { kafka, clickHouse, url: gateway.url };
}

async function produceEvents({ kafka, clickHouse }: Stage, rows: number): Promise<void> {
  const topics = await kafka.withAdmin(async (admin) => admin.listTopics());
  if (topics.includes(TOPIC)) throw new Error(`topic ${TOPIC} exists already on ${kafka.brokers}: the demo makes and deletes its own`);
  await kafka.createTopic(TOPIC, PARTITIONS);
  cleanups.push(async () => kafka.deleteTopic(TOPIC));
  console.log(`\nTopic ${TOPIC}, ${PARTITIONS} partitions`);
  await produce(kafka, clickHouse, rows);
}

async function produce(kafka: KafkaPart, clickHouse: ClickHousePart, rows: number): Promise<void> {
  const progress = new Progress('events produced', rows);
  const sql = readFileSync(new URL('github/events.sql', import.meta.url), 'utf8');
  await produceRows({
    kafka,
    clickHouse,
    sql,
    rows,
    topic: TOPIC,
    partitions: PARTITIONS,
    onProgress: (messages) => {
      progress.update(messages);
    },
  });
  progress.finish();
}

/** Target table, Kafka table, view; then waits until every event is a row. */
async function streamEvents(stage: Stage, rows: number): Promise<void> {
  await run(stage, '01-database.sql');
  cleanups.push(async () => send(stage, `DROP DATABASE ${DATABASE} SYNC`));
  await run(stage, '02-target-table.sql');
  await run(stage, '03-queue.sql');
  await run(stage, '04-view.sql');
  const seconds = await waitForRows(stage, 0, rows);
  await run(stage, '05-count.sql');
  console.log(
    `\n${formatCount(rows)} events in ${seconds.toFixed(1)} s: ${formatCount(rows / seconds)} rows/s from the view's creation to the last row`,
  );
}

/** Stops consumption, adds topic and partition to target and view, and goes on where it stopped, with a tenth more events. */
async function addMetadata(stage: Stage, rows: number): Promise<void> {
  const more = Math.ceil(rows / 10);
  await run(stage, '06-detach.sql');
  await run(stage, '07-add-columns.sql');
  await run(stage, '08-drop-view.sql');
  console.log(`\nMeanwhile ${formatCount(more)} more events arrive`);
  await produce(stage.kafka, stage.clickHouse, more);
  await run(stage, '09-attach.sql');
  await run(stage, '10-view-with-metadata.sql');
  await waitForRows(stage, rows, more);
  await run(stage, '11-select-metadata.sql');
  await run(stage, '12-count-by-partition.sql');
}

/** Writes rows to the topic that the table reads, so that they come back; then has a view write every new row to another topic. */
async function writeToKafka(stage: Stage, rows: number): Promise<void> {
  const written = Math.min(rows, 100);
  await run(stage, '13-write-back.sql');
  await waitForRows(stage, rows, written);
  await stage.kafka.createTopic(OUT_TOPIC, 1);
  cleanups.push(async () => stage.kafka.deleteTopic(OUT_TOPIC));
  await run(stage, '14-out-queue.sql');
  await run(stage, '15-out-view.sql');
  console.log(`\nMeanwhile ${formatCount(OUT_EVENTS)} more events arrive`);
  await produce(stage.kafka, stage.clickHouse, OUT_EVENTS);
  await waitForRows(stage, rows + written, OUT_EVENTS);
  const messages = await readTopic({ brokers: stage.kafka.brokers, topic: OUT_TOPIC, groupId: `demo-${Date.now()}` }, OUT_EVENTS);
  console.log(
    `\nTopic ${OUT_TOPIC} has ${formatCount(messages.length)} messages of the view; the first one:\n${messages[0]?.value?.toString() ?? ''}`,
  );
}

/** Shows one file of examples/github/, sends it, shows the answer. */
async function run(stage: Stage, file: string): Promise<void> {
  const sql = readFileSync(new URL(`github/${file}`, import.meta.url), 'utf8').replaceAll('127.0.0.1:9092', stage.kafka.brokers);
  const startedMs = performance.now();
  const answer = await send(stage, sql.trim().replace(/;$/, ''));
  console.log(`\n${file} (${Math.round(performance.now() - startedMs)} ms): ${firstWords(sql)}`);
  if (answer !== '') console.log(answer);
}

function firstWords(sql: string): string {
  const text = sql
    .replace(/^--.*\n/, '')
    .replace(/\s+/g, ' ')
    .trim();
  return text.length > 110 ? `${text.slice(0, 110)} …` : text;
}

/** Sends one statement over HTTP and answers the body; a refusal is thrown with the server's own text. */
async function send(stage: Stage, sql: string): Promise<string> {
  const upstream = new URL(stage.clickHouse.url);
  const response = await fetch(`${new URL(stage.url).origin}/?default_format=PrettyCompactMonoBlock`, {
    method: 'POST',
    body: sql,
    headers: {
      'X-ClickHouse-User': decodeURIComponent(upstream.username) || 'default',
      'X-ClickHouse-Key': decodeURIComponent(upstream.password),
    },
  });
  const text = (await response.text()).trimEnd();
  if (!response.ok) throw new Error(text);
  return text;
}

/** Waits until the target has `more` rows beyond `before`; answers the seconds it took. More rows than that are an error. */
async function waitForRows(stage: Stage, before: number, more: number): Promise<number> {
  const progress = new Progress('rows in the target', more);
  let rows = before;
  let changedMs = performance.now();
  while (rows < before + more) {
    const now = Number(await send(stage, `SELECT count() FROM ${DATABASE}.github FORMAT TSV`));
    if (now !== rows) changedMs = performance.now();
    rows = now;
    progress.update(rows - before);
    if (performance.now() - changedMs > STALL_MS) {
      progress.abandon();
      throw new Error(`no row arrived for ${STALL_MS / 1000} s: ${formatCount(rows)} of ${formatCount(before + more)} are there`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
  if (rows > before + more) throw new Error(`${formatCount(rows)} rows arrived, ${formatCount(before + more)} events were produced`);
  return progress.finish();
}

function explainConnecting({ kafka, clickHouse, url }: Stage): void {
  console.log(`
To connect by hand:
  curl '${url}/' --data 'SELECT count() FROM ${DATABASE}.github'
  curl '${url}/' --data 'SHOW CREATE TABLE ${DATABASE}.github_queue'
  clickhouse-client --host 127.0.0.1 --port ${clickHouse.nativePort}      the server behind the gateway
  Kafka: ${kafka.brokers}, topic ${TOPIC}, group clickhouse`);
}

async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  const result = await work();
  console.log(`${what} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
  return result;
}

async function cleanUp(): Promise<void> {
  for (let cleanup = cleanups.pop(); cleanup !== undefined; cleanup = cleanups.pop()) {
    await cleanup().catch((error: unknown) => {
      console.error(`demo: could not clean up: ${(error as Error).message}`);
    });
  }
}

/** Ctrl-C ends the demo at any moment; after its last statement (`--keep`) that is the expected end. */
function stopOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      state.isStopping = true;
      console.log('\nstopping');
      void cleanUp().then(() => process.exit(state.isDone ? 0 : 130));
    });
  }
}

stopOnSignals();
try {
  const options = readOptions();
  if (options === undefined) process.stdout.write(HELP);
  else await runDemo(options);
} catch (error) {
  // Servers that were stopped by a signal fail whatever was under way: that is no news.
  if (!state.isStopping) {
    console.error(`\ndemo failed: ${(error as Error).message}`);
    console.error(state.gatewayLogs().split('\n').slice(-LOG_LINES).join('\n'));
    process.exitCode = 1;
  }
}
if (!state.isStopping) await cleanUp();
