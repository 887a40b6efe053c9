// `npm run bench:ingest`: plain INSERT, native Kafka engine and gateway over the same topics, on this machine, in one run.
import { execFileSync } from 'node:child_process';
import { createWriteStream, writeFileSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startOwnClickHouse } from '../parts/clickhouse.ts';
import { makeFolder } from '../parts/folder.ts';
import { startOwnKafka } from '../parts/kafka.ts';
import { produceRows } from '../parts/produce-rows.ts';
import { measure, VARIANTS, type Bench, type Measurement, type Source, type Variant } from './measure.ts';
import { judge, median, renderTable, type Result } from './report.ts';
import { SHAPES, type Shape } from './shapes.ts';
import { runAsProgram } from './program.ts';

const HELP = `npm run bench:ingest -- [options]

Measures, over topics that are filled first: (a) a plain HTTP INSERT of the same bytes, (b) the native Kafka engine with 1 and 2 consumers,
(c) the gateway as built by \`npm run build\`. Always starts its own Kafka and ClickHouse.

  --rows-wide N          messages of 26 columns and 746 bytes, 1000000 when absent
  --rows-narrow N        messages of 4 columns and 65 bytes, 4000000 when absent
  --runs N               runs of each; the median counts; 1 when absent
  --only A,B             some of: wide, narrow, ${VARIANTS.join(', ')}
  --gateway-consumers N  kafka_num_consumers of the gateway's table, 2 when absent
  --flush-ms N           kafka_flush_interval_ms of native and gateway tables alike, 500 when absent: the last, partial block waits for it
  --json FILE            write the figures there, not to the last line of the output
  --help                 show this
`;

// Even, so that two consumers share them fairly.
const PARTITIONS = 4;
const BUSY_LOAD = 0.7;

interface ShapeSource extends Source {
  readonly shape: Shape;
}

interface BenchOptions {
  readonly rows: Readonly<Record<Shape['name'], number>>;
  readonly runs: number;
  readonly shapes: readonly Shape[];
  readonly variants: readonly Variant[];
  readonly gatewayConsumers: number;
  readonly flushIntervalMs: number;
  readonly jsonFile: string | undefined;
}

function readOptions(): BenchOptions | undefined {
  const { values } = parseArgs({
    options: {
      'rows-wide': { type: 'string', default: '1000000' },
      'rows-narrow': { type: 'string', default: '4000000' },
      runs: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      'gateway-consumers': { type: 'string', default: '2' },
      'flush-ms': { type: 'string', default: '500' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const only = values.only.split(',').filter(Boolean);
  const shapes = SHAPES.filter(({ name }) => only.includes(name));
  const variants = VARIANTS.filter((name) => only.includes(name));
  const unknown = only.filter((name) => !VARIANTS.some((variant) => variant === name) && !SHAPES.some((shape) => shape.name === name));
  if (unknown.length > 0) throw new Error(`--only does not know ${unknown.join(', ')}`);
  return {
    rows: { wide: positive('rows-wide', values['rows-wide']), narrow: positive('rows-narrow', values['rows-narrow']) },
    runs: positive('runs', values.runs),
    shapes: shapes.length > 0 ? shapes : SHAPES,
    variants: variants.length > 0 ? variants : VARIANTS,
    gatewayConsumers: positive('gateway-consumers', values['gateway-consumers']),
    flushIntervalMs: positive('flush-ms', values['flush-ms']),
    jsonFile: values.json,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1, not '${text}'`);
  return value;
}

/** Runs everything and prints the figures; what was started is stopped. */
async function runBench(options: BenchOptions): Promise<void> {
  const load = loadavg()[0] ?? 0;
  if (load > BUSY_LOAD) console.error(`this machine is busy (load ${load.toFixed(1)}): the figures will be too low`);
  const folder = makeFolder('bench');
  const kafka = await startOwnKafka();
  try {
    const clickHouse = await startOwnClickHouse();
    try {
      const bench: Bench = { kafka, clickHouse, gatewayConsumers: options.gatewayConsumers, flushIntervalMs: options.flushIntervalMs };
      const results = await measureAll(bench, await fillTopics(bench, options, folder), options);
      await print(bench, results, options, load);
    } finally {
      await clickHouse.stop();
    }
  } finally {
    await kafka.stop();
  }
}

async function fillTopics({ kafka, clickHouse }: Bench, options: BenchOptions, folder: string): Promise<ShapeSource[]> {
  const sources: ShapeSource[] = [];
  for (const shape of options.shapes) {
    const rows = options.rows[shape.name];
    const file = join(folder, `${shape.name}.ndjson`);
    const source: ShapeSource = { shape, rows, topic: `bench-${shape.name}`, file };
    await kafka.createTopic(source.topic, PARTITIONS);
    const copyTo = createWriteStream(file);
    const bytes = await produceRows({ kafka, clickHouse, sql: shape.rowsSql, rows, topic: source.topic, partitions: PARTITIONS, copyTo });
    copyTo.end();
    await finished(copyTo);
    console.error(
      `${source.topic}: ${rows.toLocaleString('en-US')} messages of ${(bytes / rows).toFixed(0)} bytes in ${PARTITIONS} partitions`,
    );
    sources.push(source);
  }
  // Else the first variant pays for writing the topics to the disk.
  execFileSync('sync');
  return sources;
}

/** All variants once, then all again, so that a slow minute of the machine does not hit one of them alone. */
async function measureAll(bench: Bench, sources: readonly ShapeSource[], options: BenchOptions): Promise<Result[]> {
  const measurements = new Map<string, Measurement[]>();
  for (let run = 1; run <= options.runs; run += 1) {
    for (const source of sources) {
      for (const variant of options.variants) {
        const measurement = await measure(bench, source, variant);
        const key = `${source.shape.name} ${variant}`;
        measurements.set(key, [...(measurements.get(key) ?? []), measurement]);
        console.error(`run ${run}, ${key}: ${Math.round(measurement.rowsPerSecond).toLocaleString('en-US')} rows/s`);
      }
    }
  }
  return sources.flatMap(({ shape, rows }) =>
    options.variants.map((variant) => {
      const runs = measurements.get(`${shape.name} ${variant}`) ?? [];
      return { shape: shape.name, variant, rows, runs, ...median(runs) };
    }),
  );
}

async function print(bench: Bench, results: readonly Result[], options: BenchOptions, load: number): Promise<void> {
  const goals = judge(results);
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    loadBefore: load,
    node: process.version,
    clickHouse: await bench.clickHouse.query('SELECT version()'),
  };
  const json = JSON.stringify({
    machine,
    gatewayConsumers: options.gatewayConsumers,
    flushIntervalMs: options.flushIntervalMs,
    results,
    goals,
  });
  console.log(
    `\n${machine.cores} × ${machine.cpu}, Node ${machine.node}, ClickHouse ${machine.clickHouse}\n\n${renderTable(results, goals)}\n`,
  );
  if (options.jsonFile === undefined) console.log(json);
  else writeFileSync(options.jsonFile, `${json}\n`);
}

await runAsProgram(HELP, readOptions, runBench);
