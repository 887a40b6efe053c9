// `npm test`: one Kafka and one ClickHouse for all test files, ava, a readable report, and `N passed, N failed` at the end.
// Arguments go to ava: `npm test -- test/sql/parse.test.ts`. Exits with ava's code.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { startServers } from './parts/servers.ts';
import { TapReport } from './tap-report.ts';

/** Runs ava with TAP output, prints it line by line as it comes, and answers ava's exit code. */
async function runAva(report: TapReport, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const ava = spawn(process.execPath, ['node_modules/ava/entrypoints/cli.mjs', '--tap', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exitCode = new Promise<number>((resolve, reject) => {
    ava.once('error', reject);
    ava.once('close', (code) => {
      resolve(code ?? 1);
    });
  });
  const stopAva = (): void => void ava.kill('SIGINT');
  process.once('SIGINT', stopAva);
  process.once('SIGTERM', stopAva);
  for await (const line of createInterface({ input: ava.stdout })) report.add(line);
  return exitCode;
}

/** Says at the end what failed; `death`: what a server said that died during the run. */
function printEnd(report: TapReport, code: number, death: string | undefined): void {
  const failures = report.failures();
  if (failures.length > 0) console.log(`\nWhat failed:\n${failures.join('\n')}`);
  else if (code !== 0)
    console.log(`\nava ended with code ${code} though no test failed: a file did not end in time, or could not be loaded`);
  if (death !== undefined) console.log(`\nA server that all files share died:\n${death}`);
  console.log(`\n${report.passed} passed, ${report.failed} failed`);
}

const { kafka, clickHouse, stop } = await startServers();
const report = new TapReport((line) => {
  console.log(line);
});
const code = await runAva(report, process.argv.slice(2), {
  ...process.env,
  TEST_SLUICE_KAFKA: kafka.brokers,
  TEST_SLUICE_CLICKHOUSE: clickHouse.url,
  TEST_SLUICE_CLICKHOUSE_NATIVE_PORT: String(clickHouse.nativePort),
});
const death = await stop().then(
  () => undefined,
  (error: unknown) => (error as Error).message,
);
printEnd(report, code, death);
process.exitCode = code === 0 && (report.failed > 0 || death !== undefined) ? 1 : code;
