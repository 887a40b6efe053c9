// `npm run bench:idle`: what idle connections cost the gateway, and whether it is given back.
import { parseArgs } from 'node:util';
import { startOwnClickHouse, type ClickHousePart } from '../parts/clickhouse.ts';
import { startGateway, type GatewayPart } from '../parts/gateway.ts';
import { IDLE_PROTOCOLS, openIdleConnections, type IdleProtocol } from '../parts/idle-connections.ts';
import { waitFor } from '../parts/wait-for.ts';
import { maxOpenFiles, openFiles, residentBytes } from './process-usage.ts';
import { runAsProgram } from './program.ts';

const HELP = `npm run bench:idle -- [options]

Opens idle connections to the gateway as built by \`npm run build\`: over HTTP each has made one GET /ping, over the native protocol each has logged in, which
opens a connection to the server. Prints the gateway's resident memory for each. Then one more request is served, the connections are closed, files and memory
must come back. All of it is done four times, and may not cost more each time.

  --connections N  10000 when absent; as many as the limit of open files allows
  --only A         http or native
  --help           show this
`;

const KIB = 1024;
const MIB = 1024 ** 2;
const WARM_UP_CONNECTIONS = 1_000;
/** Files that the gateway and this program need besides: logs, libraries, the connections of one request. */
const OTHER_FILES = 300;
const FILES_PER_CONNECTION: Readonly<Record<IdleProtocol, number>> = { http: 1, native: 2 };
// The server has a thread for each native connection.
const SERVER_LIMITS = `<max_connections>40000</max_connections><max_thread_pool_size>40000</max_thread_pool_size>
  <max_server_memory_usage_to_ram_ratio>100</max_server_memory_usage_to_ram_ratio>`;
// It counts one or two mebibytes for each, and touches little of them.
const SERVER_MEMORY_BYTES = 256 * 1024 ** 3;
const GIVEN_BACK_MS = 120_000;
/** Garbage of connections that were closed is not collected at once, so that of several times the best counts: what leaks would be there each time. */
const LATER_WAVES = 3;
const MAX_LATER_GROWTH = 1.3;

interface IdleOptions {
  readonly connections: number;
  readonly protocols: readonly IdleProtocol[];
}

function readOptions(): IdleOptions | undefined {
  const { values } = parseArgs({
    options: { connections: { type: 'string', default: '10000' }, only: { type: 'string' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) return undefined;
  const connections = Number(values.connections);
  if (!Number.isSafeInteger(connections) || connections < 1)
    throw new Error(`--connections takes a whole number from 1, not '${values.connections}'`);
  const protocols = IDLE_PROTOCOLS.filter((name) => values.only === undefined || values.only === name);
  if (protocols.length === 0) throw new Error(`--only does not know ${values.only}`);
  return { connections, protocols };
}

async function runBench({ connections, protocols }: IdleOptions): Promise<void> {
  for (const protocol of protocols) {
    // A server and a gateway for each: what one protocol leaves behind is not counted for the other.
    const clickHouse = await startOwnClickHouse({ configXml: SERVER_LIMITS, maxMemoryBytes: SERVER_MEMORY_BYTES });
    try {
      const { url: clickHouseUrl, nativePort: clickHouseNativePort } = clickHouse;
      const gateway = await startGateway({
        clickHouseUrl,
        clickHouseNativePort,
        built: true,
        env: { SLUICE_LOG_LEVEL: 'warn', SLUICE_MAX_CONNECTIONS: '100000' },
      });
      try {
        await measureIdle(protocol, connections, gateway, clickHouse);
      } finally {
        await gateway.stop();
      }
    } finally {
      await clickHouse.stop();
    }
  }
}

async function measureIdle(protocol: IdleProtocol, wanted: number, gateway: GatewayPart, clickHouse: ClickHousePart): Promise<void> {
  const limit = Math.min(maxOpenFiles(gateway.pid), maxOpenFiles(clickHouse.pid), maxOpenFiles(process.pid));
  const count = Math.min(wanted, Math.floor((limit - OTHER_FILES) / FILES_PER_CONNECTION[protocol]));
  if (count < wanted) console.log(`${protocol}: ${count} connections instead of ${wanted}: a process may open ${limit} files`);
  const filesBefore = openFiles(gateway.pid);
  const port = protocol === 'http' ? gateway.httpPort : gateway.nativePort;
  const wave = async (connections: number): Promise<number> => {
    const startedMs = performance.now();
    const idle = await openIdleConnections(protocol, port, connections);
    const seconds = (performance.now() - startedMs) / 1000;
    const bytes = residentBytes(gateway.pid);
    if (idle.open() < connections)
      throw new Error(`${connections - idle.open()} of ${connections} idle ${protocol} connections were closed`);
    await askOnce(gateway);
    await idle.close();
    await waitFor(() => openFiles(gateway.pid) <= filesBefore, {
      message: `the files of ${connections} ${protocol} connections to be closed`,
    });
    console.log(`${protocol}: ${connections} connections opened in ${seconds.toFixed(1)} s, ${mebibytes(bytes)} resident with them`);
    return bytes;
  };
  // Whatever the first connections ever bring with them, compiled code and garbage, counts as theirs.
  const before = residentBytes(gateway.pid);
  await wave(Math.min(WARM_UP_CONNECTIONS, count));
  const first = await wave(count);
  const later: number[] = [];
  for (let i = 0; i < LATER_WAVES; i += 1) later.push(await wave(count));
  console.log(`${protocol}: ${((first - before) / count / KIB).toFixed(1)} KiB a connection, on top of ${mebibytes(before)} at the start`);
  if (Math.min(...later) - before > MAX_LATER_GROWTH * (first - before))
    throw new Error(`${count} ${protocol} connections cost more each time: ${[first, ...later].map(mebibytes).join(', ')}`);
  const enough = before + (first - before) / 2;
  await waitFor(() => residentBytes(gateway.pid) <= enough, {
    timeoutMs: GIVEN_BACK_MS,
    message: `half of the memory of ${count} ${protocol} connections to come back`,
  });
  console.log(`${protocol}: files closed, ${mebibytes(residentBytes(gateway.pid))} resident after all`);
}

async function askOnce(gateway: GatewayPart): Promise<void> {
  const answer = await (await fetch(`${gateway.url}/?query=SELECT+1`)).text();
  if (answer !== '1\n') throw new Error(`the gateway answered ${JSON.stringify(answer)} to SELECT 1`);
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}

await runAsProgram(HELP, readOptions, runBench);
