// `npm run bench:memory`: the gateway's resident memory under backlogs of every shape.
import { parseArgs } from 'node:util';
import { startOwnClickHouse } from '../parts/clickhouse.ts';
import { startOwnKafka } from '../parts/kafka.ts';
import { measureMemory, type MemoryResult, type World } from './memory-run.ts';
import { scenarios, SCENARIO_NAMES, type ScenarioName } from './memory-scenarios.ts';
import { runAsProgram } from './program.ts';
import { alignColumns } from './report.ts';

const HELP = `npm run bench:memory -- [options]

Resident memory of the gateway as built by \`npm run build\`, sampled ten times a second while backlogs flow through it into a ClickHouse and from a Kafka of its own.
Each scenario has a gateway of its own for each budget. Afterwards every message must be there exactly once.

  --messages N   of the large backlogs, 10000000 when absent; the other scenarios have a tenth of it, large messages some 60
  --budgets A,B  values of memory_budget, "208MiB,64MiB" when absent; the first is the gateway's default
  --only A,B     some of: ${SCENARIO_NAMES.join(', ')}
  --help         show this
`;

const MIB = 1024 ** 2;

interface MemoryOptions {
  readonly messages: number;
  readonly budgets: readonly string[];
  readonly names: readonly ScenarioName[];
}

function readOptions(): MemoryOptions | undefined {
  const { values } = parseArgs({
    options: {
      messages: { type: 'string', default: '10000000' },
      budgets: { type: 'string', default: '208MiB,64MiB' },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const messages = Number(values.messages);
  if (!Number.isSafeInteger(messages) || messages < 1000)
    throw new Error(`--messages takes a whole number from 1000, not '${values.messages}'`);
  const only = values.only.split(',').filter(Boolean);
  const unknown = only.filter((name) => !SCENARIO_NAMES.some((known) => known === name));
  if (unknown.length > 0) throw new Error(`--only does not know ${unknown.join(', ')}`);
  const names = SCENARIO_NAMES.filter((name) => only.length === 0 || only.includes(name));
  return { messages, budgets: values.budgets.split(',').filter(Boolean), names };
}

async function runBench(options: MemoryOptions): Promise<void> {
  const results: MemoryResult[] = [];
  for (const scenario of scenarios(options.messages).filter(({ name }) => options.names.includes(name))) {
    const kafka = await startOwnKafka({ properties: scenario.brokerProperties ?? {} });
    try {
      const clickHouse = await startOwnClickHouse();
      try {
        const world: World = { kafka, clickHouse };
        await scenario.fill(world);
        for (const budget of options.budgets) {
          const result = await measureMemory(world, scenario, budget);
          console.error(row(result).join('  '));
          results.push(result);
        }
      } finally {
        await clickHouse.stop();
      }
    } finally {
      await kafka.stop();
    }
  }
  console.log(`\n${alignColumns([HEADER, ...results.map(row)])}\n\n${JSON.stringify(results)}`);
}

const HEADER = ['scenario', 'budget', 'messages', 's', 'start MiB', 'peak', 'min', 'median', 'max', 'first third', 'last third', 'remarks'];

function row({ scenario, budget, messages, seconds, startBytes, resident, remarks }: MemoryResult): string[] {
  const { peakBytes, minBytes, medianBytes, maxBytes, firstThirdBytes, lastThirdBytes } = resident;
  return [
    scenario,
    budget,
    messages.toLocaleString('en-US'),
    seconds.toFixed(1),
    ...[startBytes, peakBytes, minBytes, medianBytes, maxBytes, firstThirdBytes, lastThirdBytes].map((bytes) => (bytes / MIB).toFixed(0)),
    Object.entries(remarks)
      .map(([name, value]) => `${name} ${Math.round(value).toLocaleString('en-US')}`)
      .join(', '),
  ];
}

await runAsProgram(HELP, readOptions, runBench);
