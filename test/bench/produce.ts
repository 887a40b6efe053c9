// `npm run bench:produce`: INSERT … SELECT of the same rows into a Kafka table of the server's own engine and into one of the gateway's, in one run.
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import type { ClickHousePart } from '../parts/clickhouse.ts';
import { startOwnClickHouse } from '../parts/clickhouse.ts';
import { startOwnKafka, type KafkaPart } from '../parts/kafka.ts';
import { sendThrough, startBenchGateway } from './gateway.ts';
import { waitFor } from '../parts/wait-for.ts';
import { cpuSeconds, peakResidentBytes } from './process-usage.ts';
import { runAsProgram } from './program.ts';
import { alignColumns, medianOf } from './report.ts';
import { SHAPES, type Shape } from './shapes.ts';

const HELP = `npm run bench:produce -- [options]

Measures INSERT INTO a Kafka table … SELECT, from the statement to its answer: (a) the native Kafka engine, which flushes its producer before it answers,
(b) the gateway as built by \`npm run build\`, which answers when Kafka has committed all messages (acks = all, transactions), and (c) the same by way of the outbox,
as rows go that views write, or native clients.

  --rows-wide N     rows of 26 columns, messages of 746 bytes, 1000000 when absent
  --rows-narrow N   rows of 4 columns, messages of 65 bytes, 2000000 when absent
  --runs N          runs of each; the median counts; 3 when absent
  --warm-ups N      runs before them that do not count, until broker and server are compiled and have their memory; 3 when absent
  --only A,B        some of: wide, narrow
  --codec C         kafka_compression_codec of both, none when absent
  --help            show this
`;

const PARTITIONS = 4;
const DATABASE = 'bench';
const MEBIBYTE = 1024 * 1024;
/** At least as many rows a second as the native engine. */
const GOAL = 1;

/** Topics of earlier runs leave the page cache when they are deleted, not a minute later: until then they are written to the disk beside later runs. */
const FORGETS_AT_ONCE = { 'log.segment.delete.delay.ms': '0', 'log.initial.task.delay.ms': '0' };

interface Options {
  readonly rows: Readonly<Record<Shape['name'], number>>;
  readonly runs: number;
  readonly warmUps: number;
  readonly shapes: readonly Shape[];
  readonly codec: string;
}

interface Run {
  readonly rowsPerSecond: number;
  readonly serverCpuSecondsPerMillion: number;
  readonly brokerCpuSecondsPerMillion: number;
  /** 0 for the native engine. */
  readonly gatewayCpuSecondsPerMillion: number;
  readonly gatewayPeakBytes: number;
}

const VARIANTS = ['native', 'gateway', 'outbox'] as const;
type Variant = (typeof VARIANTS)[number];

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      'rows-wide': { type: 'string', default: '1000000' },
      'rows-narrow': { type: 'string', default: '2000000' },
      runs: { type: 'string', default: '3' },
      'warm-ups': { type: 'string', default: '3' },
      only: { type: 'string', default: '' },
      codec: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const only = values.only.split(',').filter(Boolean);
  const shapes = SHAPES.filter(({ name }) => only.length === 0 || only.includes(name));
  if (shapes.length < only.length || shapes.length === 0) throw new Error(`--only knows wide and narrow, not '${values.only}'`);
  const counts = [values['rows-wide'], values['rows-narrow'], values.runs].map(Number);
  const [wide, narrow, runs] = counts as [number, number, number];
  const warmUps = Number(values['warm-ups']);
  if (!counts.every((value) => Number.isSafeInteger(value) && value > 0) || !Number.isSafeInteger(warmUps) || warmUps < 0)
    throw new Error('numbers are whole and above 0');
  return { rows: { wide, narrow }, runs, warmUps, shapes, codec: values.codec };
}

/** One INSERT into a topic of its own; afterwards the topic must have every message once. */
async function measure(
  { kafka, clickHouse, gateway }: { kafka: KafkaPart; clickHouse: ClickHousePart; gateway: { url: string; pid: number } },
  shape: Shape,
  rows: number,
  variant: Variant,
  codec: string,
  run: number,
): Promise<Run> {
  const topic = `${shape.name}-${variant}-${run}`;
  await kafka.createTopic(topic, PARTITIONS);
  const isNative = variant === 'native';
  const send = async (sql: string): Promise<string> => (isNative ? clickHouse.query(sql) : sendThrough(gateway, sql));
  // Only what has a token, for example, is kept in the outbox.
  const settings = variant === 'outbox' ? ` SETTINGS insert_deduplication_token = '${topic}'` : '';
  const table = `${DATABASE}.${shape.name}_${variant}_${run}`;
  await send(
    `CREATE TABLE ${table} (${shape.columns}) ENGINE = Kafka('${kafka.brokers}', '${topic}', 'bench', 'JSONEachRow')` +
      (codec === '' ? '' : ` SETTINGS kafka_compression_codec = '${codec}'`) +
      (!isNative ? `${codec === '' ? ' SETTINGS' : ','} kafka_delivery_timeout_ms = 600000` : ''),
  );
  // What is made at the first INSERT (the outbox, a producer) is not what is measured.
  await send(`INSERT INTO ${table}${settings} SELECT * FROM ${DATABASE}.${shape.name} LIMIT 1`);
  const pids = [clickHouse.pid, kafka.pid, gateway.pid];
  const before = pids.map(cpuSeconds);
  const startedMs = performance.now();
  await send(`INSERT INTO ${table}${settings} SELECT * FROM ${DATABASE}.${shape.name}`);
  const seconds = (performance.now() - startedMs) / 1_000;
  const [server = 0, broker = 0, own = 0] = pids.map((pid, index) => ((cpuSeconds(pid) - (before[index] ?? 0)) / rows) * 1e6);
  // Readers see messages of a transaction a moment after its producer was told that they are committed.
  const sent = async (): Promise<number> => (await kafka.endOffsets(topic)).reduce((sum, { low, high }) => sum + Number(high - low), 0);
  await waitFor(async () => (await sent()) > rows, { message: `${variant}: ${rows + 1} messages in the topic` });
  await send(`DROP TABLE ${table} SYNC`);
  await kafka.deleteTopic(topic);
  return {
    rowsPerSecond: rows / seconds,
    serverCpuSecondsPerMillion: server,
    brokerCpuSecondsPerMillion: broker,
    gatewayCpuSecondsPerMillion: isNative ? 0 : own,
    gatewayPeakBytes: isNative ? 0 : peakResidentBytes(gateway.pid),
  };
}

async function fill(clickHouse: ClickHousePart, shape: Shape, rows: number): Promise<void> {
  await clickHouse.query(`CREATE TABLE ${DATABASE}.${shape.name} (${shape.columns}) ENGINE = MergeTree ORDER BY (${shape.orderBy})`);
  const select = shape.rowsSql.replace(/\s+FORMAT JSONEachRow\s*$/, '').replace('{n:UInt64}', String(rows));
  const names = (
    await clickHouse.query(
      `SELECT arrayStringConcat(groupArray(name), ', ') FROM system.columns WHERE database = '${DATABASE}' AND table = '${shape.name}'`,
    )
  ).trim();
  await clickHouse.query(`INSERT INTO ${DATABASE}.${shape.name} (${names}) SELECT ${names} FROM (${select})`);
}

function medianRun(runs: readonly Run[]): Run {
  const of = (figure: keyof Run): number => medianOf(runs.map((run) => run[figure]));
  return {
    rowsPerSecond: of('rowsPerSecond'),
    serverCpuSecondsPerMillion: of('serverCpuSecondsPerMillion'),
    brokerCpuSecondsPerMillion: of('brokerCpuSecondsPerMillion'),
    gatewayCpuSecondsPerMillion: of('gatewayCpuSecondsPerMillion'),
    gatewayPeakBytes: of('gatewayPeakBytes'),
  };
}

async function runBench(options: Options): Promise<void> {
  const loadBefore = loadavg()[0] ?? 0;
  const kafka = await startOwnKafka({ properties: FORGETS_AT_ONCE });
  try {
    const clickHouse = await startOwnClickHouse();
    try {
      const gateway = await startBenchGateway(clickHouse);
      try {
        await clickHouse.query(`CREATE DATABASE ${DATABASE}`);
        const results = [];
        for (const shape of options.shapes) {
          const rows = options.rows[shape.name];
          await fill(clickHouse, shape, rows);
          const runs: Record<Variant, Run[]> = { native: [], gateway: [], outbox: [] };
          for (let run = 1 - options.warmUps; run <= options.runs; run += 1)
            for (const variant of VARIANTS) {
              const measured = await measure({ kafka, clickHouse, gateway }, shape, rows, variant, options.codec, run + options.warmUps);
              if (run > 0) runs[variant].push(measured);
              const name = run > 0 ? `run ${run}` : 'warm-up';
              console.error(`${name}, ${shape.name} ${variant}: ${Math.round(measured.rowsPerSecond).toLocaleString('en-US')} rows/s`);
            }
          // A machine that is slow for a while is so for both of a round.
          const ratioOf = (variant: Variant): number =>
            medianOf(runs[variant].map((one, index) => one.rowsPerSecond / (runs.native[index] as Run).rowsPerSecond));
          const medians = { native: medianRun(runs.native), gateway: medianRun(runs.gateway), outbox: medianRun(runs.outbox) };
          const ratios = { gateway: ratioOf('gateway'), outbox: ratioOf('outbox') };
          results.push({ shape: shape.name, rows, medians, ratios, runs });
        }
        print(results, options, { loadBefore, clickHouse: await clickHouse.query('SELECT version()') });
      } catch (error) {
        throw new Error(`${(error as Error).message}\n${gateway.logs()}`, { cause: error });
      } finally {
        await gateway.stop();
      }
    } finally {
      await clickHouse.stop();
    }
  } finally {
    await kafka.stop();
  }
}

interface Result {
  readonly shape: string;
  readonly rows: number;
  readonly medians: Readonly<Record<Variant, Run>>;
  readonly ratios: { readonly gateway: number; readonly outbox: number };
}

function print(results: readonly Result[], { codec }: Options, machine: { loadBefore: number; clickHouse: string }): void {
  const header = ['shape', 'variant', 'rows/s', 'gateway CPU s/M', 'server CPU s/M', 'broker CPU s/M', 'gateway peak MiB'];
  const line = (shape: string, variant: Variant, run: Run): string[] => [
    shape,
    variant,
    Math.round(run.rowsPerSecond).toLocaleString('en-US'),
    variant === 'native' ? '' : run.gatewayCpuSecondsPerMillion.toFixed(2),
    run.serverCpuSecondsPerMillion.toFixed(2),
    run.brokerCpuSecondsPerMillion.toFixed(2),
    variant === 'native' ? '' : (run.gatewayPeakBytes / MEBIBYTE).toFixed(0),
  ];
  const table = results.flatMap(({ shape, medians }) => VARIANTS.map((variant) => line(shape, variant, medians[variant])));
  const goals = results.flatMap(({ shape, ratios }) => [
    [shape, 'rows/s, gateway : native', ratios.gateway.toFixed(2), `at least ${GOAL}`, ratios.gateway >= GOAL ? 'met' : 'MISSED'],
    [shape, 'rows/s, by the outbox : native', ratios.outbox.toFixed(2), '', ''],
  ]);
  console.log(
    `\n${cpus().length} × ${cpus()[0]?.model ?? ''}, Node ${process.version}, ClickHouse ${machine.clickHouse}, codec ${codec || 'none'}\n`,
  );
  console.log(`${alignColumns([header, ...table])}\n\n${alignColumns([['shape', 'goal', 'measured', 'to reach', ''], ...goals])}\n`);
  console.log(JSON.stringify({ machine, codec, results }));
}

await runAsProgram(HELP, readOptions, runBench);
