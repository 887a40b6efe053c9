import test from 'ava';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { useClickHouse, useFolder, useKafka, waitFor } from '../helpers/index.ts';
import { startProcess, type RunningProcess } from '../parts/process.ts';
import type { ExecutionContext } from 'ava';

const DEMO = fileURLToPath(new URL('../../examples/demo.ts', import.meta.url));

// The tutorial's names are fixed: database KafkaEngine, topic github, group clickhouse. One demo at a time on the shared servers.
test.serial('the demo streams its events, adds the metadata, stays up with --keep and leaves nothing behind after Ctrl-C', async (t) => {
  const kafka = await useKafka(t);
  const clickHouse = await useClickHouse(t);
  const demo = await startDemo(t, ['--rows', '5000', '--keep'], {});
  await waitFor(() => demo.output().includes('Everything stays up') || !demo.isRunning(), {
    timeoutMs: 120_000,
    message: 'the demo to be through',
  });
  const output = demo.output();
  t.regex(output, /05-count\.sql[^\n]*\n[^\n]*count\(\)[^\n]*\n[^\n]* 5000 │/);
  for (let partition = 0; partition < 5; partition += 1) t.regex(output, new RegExp(`│ github │ +${partition} │ +100 │`));
  t.regex(output, /Topic github_out has 100 messages of the view; the first one:\n\{"file_time":"2019/);
  t.regex(output, /5,000 events in [\d.]+ s: [\d,]+ rows\/s/);
  t.regex(output, /curl 'http:\/\/127\.0\.0\.1:\d+\/'/);

  process.kill(demo.pid, 'SIGINT');
  t.is(await demo.exited(), 0);
  t.is(await clickHouse.query(`SELECT count() FROM system.databases WHERE name = 'KafkaEngine'`), '0');
  // The broker deletes a topic some time after it has said that it will.
  await waitFor(async () => !(await kafka.withAdmin(async (admin) => admin.listTopics())).includes('github'), {
    message: 'the topic to be gone',
  });
});

test.serial('the demo says what is wrong with its options and its servers', async (t) => {
  const wrongRows = await startDemo(t, ['--rows', 'many'], {});
  t.is(await wrongRows.exited(), 1);
  t.regex(wrongRows.output(), /demo failed: --rows takes a whole number from 1, not 'many'/);

  const noServer = await startDemo(t, [], { CLICKHOUSE_URL: 'http://127.0.0.1:1' });
  t.is(await noServer.exited(), 1);
  t.regex(noServer.output(), /demo failed: CLICKHOUSE_URL names 127\.0\.0\.1:1, which does not answer/);
});

/** Starts the demo on the shared servers; `env` wins. */
async function startDemo(t: ExecutionContext, args: readonly string[], env: NodeJS.ProcessEnv): Promise<RunningProcess> {
  const kafka = await useKafka(t);
  const clickHouse = await useClickHouse(t);
  const demo = await startProcess({
    name: 'the demo',
    command: process.execPath,
    args: ['--import', 'tsx', DEMO, ...args],
    env: { ...process.env, KAFKA_BROKERS: kafka.brokers, CLICKHOUSE_URL: clickHouse.url, ...env },
    logFile: join(await useFolder(t), 'output.log'),
    isReady: async () => Promise.resolve(true),
  });
  t.teardown(async () => demo.stop());
  return demo;
}
