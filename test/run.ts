// `npm test`: one Kafka and one ClickHouse for all test files, ava, a readable report, and `N passed, N failed` at the end.
// Arguments go to ava: `npm test -- test/sql/parse.test.ts`. Exits with ava's code.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { startServers } from './parts/servers.ts';
import { TapReport } from './tap-report.ts';

/** Runs ava with TAP output, prints it line by line as it comes, and answers ava's exit code. */
async function runAva(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const report = new TapReport((line) => {
    console.log(line);
  });
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
  const code = await exitCode;
  const failures = report.failures();
  if (failures.length > 0) console.log(`\nWhat failed:\n${failures.join('\n')}`);
  else if (code !== 0)
    console.log(`\nava ended with code ${code} though no test failed: a file did not end in time, or could not be loaded`);
  console.log(`\n${report.passed} passed, ${report.failed} failed`);
  return code === 0 && report.failed > 0 ? 1 : code;
}

/** One run against fresh servers: ava's exit code, and whether ClickHouse was still there at the end. */
async function runOnce(): Promise<{ code: number; survived: boolean }> {
  const { kafka, clickHouse, stop } = await startServers();
  try {
    const code = await runAva(process.argv.slice(2), {
      ...process.env,
      TEST_SLUICE_KAFKA: kafka.brokers,
      TEST_SLUICE_CLICKHOUSE: clickHouse.url,
      TEST_SLUICE_CLICKHOUSE_NATIVE_PORT: String(clickHouse.nativePort),
    });
    const survived = await clickHouse.query('SELECT 1').then(
      () => true,
      () => false,
    );
    return { code, survived };
  } finally {
    await stop();
  }
}

let { code, survived } = await runOnce();
if (!survived) {
  // libchdb ends its process on some faults of a native client that a real server survives; then no answer after that counts.
  console.log('\nClickHouse (libchdb) died during this run: once more, with a new one');
  ({ code, survived } = await runOnce());
}
process.exitCode = code;
