// `npm run bench:proxy`: what passing through costs: direct, nginx, haproxy and the gateway in front of the same server, in one run.
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { startOwnClickHouse, type ClickHousePart } from '../parts/clickhouse.ts';
import { startGateway } from '../parts/gateway.ts';
import {
  canMeasure,
  isLatency,
  measureOnce,
  MEASURES,
  VARIANTS,
  type Figures,
  type Load,
  type Measure,
  type Target,
  type Variant,
} from './proxy/measure.ts';
import { startHaproxy, startNginx } from './proxy/proxies.ts';
import { judge, renderTable, summarize, type Goal, type Result, type Round } from './proxy/report.ts';
import { runAsProgram } from './program.ts';

const HELP = `npm run bench:proxy -- [options]

Measures SELECT 1 over kept connections, a long result and a long INSERT into ENGINE = Null, over HTTP and over the native protocol: directly, and through
nginx (not buffered, and with its defaults), haproxy (TCP for native) and the gateway as built by \`npm run build\`, all in front of one ClickHouse of its own.
Variants take turns; differences and ratios are taken round by round, and the median counts.

  --runs N         rounds, 5 when absent
  --mb N           MiB of each result and INSERT, 1024 when absent
  --seconds N      of asking SELECT 1 in each run, 3 when absent
  --connections N  that ask SELECT 1 at once, 32 when absent
  --only A,B       some of: http, native, latency, select, insert,
                   ${VARIANTS.join(', ')}
                   or whole names of measures: ${MEASURES.slice(0, 4).join(', ')},
                   ${MEASURES.slice(4).join(', ')}
  --json FILE      write the figures there, not to the last line of the output
  --help           show this
`;

const BUSY_LOAD = 0.7;
const WARM_UP_SECONDS = 8;

interface BenchOptions {
  readonly runs: number;
  readonly load: Load;
  readonly measures: readonly Measure[];
  readonly variants: readonly Variant[];
  readonly jsonFile: string | undefined;
}

function readOptions(): BenchOptions | undefined {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '5' },
      mb: { type: 'string', default: '1024' },
      seconds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '32' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const number = (name: 'runs' | 'mb' | 'seconds' | 'connections'): number => positive(name, values[name]);
  return {
    runs: number('runs'),
    load: { connections: number('connections'), seconds: number('seconds'), mebibytes: number('mb') },
    ...chosen(values.only.split(',').filter(Boolean)),
    jsonFile: values.json,
  };
}

const PROTOCOLS = ['http', 'native'];
const ACTIONS = ['latency', 'select', 'insert'];

/** Names of one sort are alternatives, different sorts narrow each other: `native,insert,gateway,haproxy`. */
function chosen(only: readonly string[]): Pick<BenchOptions, 'measures' | 'variants'> {
  const known: readonly string[] = [...PROTOCOLS, ...ACTIONS, ...MEASURES, ...VARIANTS];
  const unknown = only.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`--only does not know ${unknown.join(', ')}`);
  const among = (names: readonly string[]): readonly string[] => {
    const asked = names.filter((name) => only.includes(name));
    return asked.length > 0 ? asked : names;
  };
  const protocols = among(PROTOCOLS);
  const actions = among(ACTIONS);
  return {
    measures: among(MEASURES).filter((name) => {
      const [protocol = '', action = ''] = name.split('-');
      return protocols.includes(protocol) && actions.includes(action);
    }) as Measure[],
    variants: among(VARIANTS) as Variant[],
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
  if (load > BUSY_LOAD) console.error(`this machine is busy (load ${load.toFixed(1)}): look at ratios only`);
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const clickHouse = await startOwnClickHouse();
    stops.push(() => clickHouse.stop());
    await createSinks(clickHouse);
    const targets: Target[] = [];
    for (const variant of options.variants) {
      const { target, stop } = await startTarget(variant, clickHouse);
      stops.push(stop);
      targets.push(target);
    }
    const results: Result[] = [];
    const goals: Goal[] = [];
    for (const measure of options.measures) {
      const able = targets.filter((target) => canMeasure(target, measure));
      const rounds = await measureRounds(able, measure, options);
      results.push(...able.map(({ variant }) => summarize(measure, variant, rounds)));
      goals.push(...judge(measure, rounds));
    }
    print(results, goals, options, load, await clickHouse.query('SELECT version()'));
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

async function createSinks(clickHouse: ClickHousePart): Promise<void> {
  await clickHouse.query('CREATE DATABASE bench');
  await clickHouse.query('CREATE TABLE bench.sink (a UInt64, b UInt64, c UInt64, d UInt64) ENGINE = Null');
  await clickHouse.query('CREATE TABLE bench.sink_strings (a String, b String, c String, d String) ENGINE = Null');
}

async function startTarget(variant: Variant, clickHouse: ClickHousePart): Promise<{ target: Target; stop: () => Promise<unknown> }> {
  const { httpPort, nativePort } = clickHouse;
  if (variant === 'direct') return { target: { variant, httpPort, nativePort, pids: () => [] }, stop: async () => Promise.resolve() };
  if (variant === 'gateway') {
    const env = { SLUICE_LOG_LEVEL: 'warn' };
    const gateway = await startGateway({ clickHouseUrl: clickHouse.url, clickHouseNativePort: nativePort, built: true, env });
    const target = { variant, httpPort: gateway.httpPort, nativePort: gateway.nativePort, pids: () => [gateway.pid] };
    return { target, stop: async () => gateway.stop() };
  }
  const proxy = variant === 'haproxy' ? await startHaproxy(clickHouse) : await startNginx(clickHouse, variant === 'nginx-buffered');
  return {
    target: { variant, httpPort: proxy.httpPort, nativePort: proxy.nativePort, pids: () => proxy.pids() },
    stop: () => proxy.stop(),
  };
}

/** One round that does not count, long enough for a compiler at run time, then those that do; each begins with another variant. */
async function measureRounds(targets: readonly Target[], measure: Measure, { runs, load }: BenchOptions): Promise<Round[]> {
  const rounds: Round[] = [];
  for (const target of targets) await measureOnce(target, measure, { ...load, seconds: WARM_UP_SECONDS });
  for (let run = 0; run < runs; run += 1) {
    const round = new Map<Variant, Figures>();
    const first = run % targets.length;
    for (const target of [...targets.slice(first), ...targets.slice(0, first)]) {
      round.set(target.variant, await measureOnce(target, measure, load));
    }
    rounds.push(round);
    const told = targets.map(({ variant }) => `${variant} ${tell(round.get(variant))}`);
    console.error(`round ${run + 1}, ${measure} (${isLatency(measure) ? 'median ms' : 'MiB/s'}): ${told.join(', ')}`);
  }
  return rounds;
}

function tell(figures: Figures | undefined): string {
  return figures?.kind === 'latency' ? figures.medianMs.toFixed(2) : (figures?.mebibytesPerSecond.toFixed(0) ?? '');
}

function print(results: readonly Result[], goals: readonly Goal[], options: BenchOptions, load: number, clickHouse: string): void {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, loadBefore: load, node: process.version, clickHouse };
  const json = JSON.stringify({ machine, load: options.load, results, goals });
  console.log(
    `\n${machine.cores} × ${machine.cpu}, Node ${machine.node}, ClickHouse ${machine.clickHouse}\n\n${renderTable(results, goals)}\n`,
  );
  if (options.jsonFile === undefined) console.log(json);
  else writeFileSync(options.jsonFile, `${json}\n`);
}

await runAsProgram(HELP, readOptions, runBench);
