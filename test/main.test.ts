import { createServer, type AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { startChild } from './fixtures/child.ts';

const NOWHERE = 'http://127.0.0.1:1';

function startSluice(t: ExecutionContext, argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return startChild(t, 'src/main.ts', argv, env);
}

async function portInUse(t: ExecutionContext): Promise<number> {
  const server = createServer();
  t.teardown(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

test('--help and --version answer on standard output and end with 0', async (t) => {
  const help = await startSluice(t, ['--help']).ended;
  t.is(help.code, 0);
  t.regex(help.stdout, /^Usage: sluice/);
  const version = await startSluice(t, ['--version']).ended;
  const { version: expected } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  t.deepEqual(version, { code: 0, stdout: `sluice ${expected}\n`, stderr: '' });
});

test('wrong settings end the start with 2, a sentence each and no stack trace', async (t) => {
  const refused = await startSluice(t, ['--http-prot', '1'], { SLUICE_ADMIN_PORT: 'x' }).ended;
  t.deepEqual(refused, {
    code: 2,
    stdout: '',
    stderr:
      'sluice: Unknown flag --http-prot: did you mean --http-port?\n' +
      "sluice: admin_port: 'x' from the environment variable SLUICE_ADMIN_PORT must be a whole number from 0 to 65535 (0 takes a free port).\n",
  });
});

test('a key is not changed without one, nor on a server that does not answer', async (t) => {
  const without = await startSluice(t, ['rotate-secret-key']).ended;
  t.deepEqual(without, {
    code: 2,
    stdout: '',
    stderr: 'sluice: rotate-secret-key needs the new key in secret_key, and the one before it in old_secret_key.\n',
  });
  const key = { SLUICE_SECRET_KEY: 'hunter2hunter2hunter2' };
  const unanswered = await startSluice(t, ['rotate-secret-key', '--clickhouse-url', NOWHERE], key).ended;
  t.is(unanswered.code, 1);
  t.regex(unanswered.stderr, /^sluice: no answer from ClickHouse at /);
  t.is((await startSluice(t, ['--sign-unsigned']).ended).code, 2);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`the gateway starts without ClickHouse, says that it is not ready, and ${signal} stops it with 0`, async (t) => {
    const sluice = startSluice(t, [
      '--http-port=0',
      '--native-port=0',
      '--admin-port=0',
      '--clickhouse-url',
      NOWHERE,
      '--clickhouse-password=hunter2',
    ]);
    const [line, adminPort] = await sluice.printed(/^.*?"admin_port":(\d+).*"msg":"gateway started".*$/m);
    t.notRegex(line, /hunter2/);
    t.is((await fetch(`http://127.0.0.1:${adminPort}/health`)).status, 200);
    const ready = await fetch(`http://127.0.0.1:${adminPort}/ready`);
    t.is(ready.status, 503);
    t.like(await ready.json(), { ready: false });
    sluice.kill(signal);
    t.is((await sluice.ended).code, 0);
  });
}

test('SIGHUP ends nothing, also when there is no certificate to renew', async (t) => {
  const sluice = startSluice(t, ['--http-port=0', '--native-port=0', '--admin-port=0', '--clickhouse-url', NOWHERE]);
  await sluice.printed(/gateway started/);
  sluice.kill('SIGHUP');
  await sluice.printed(/no certificate to renew/);
  sluice.kill('SIGTERM');
  t.is((await sluice.ended).code, 0);
});

for (const name of ['http', 'native', 'admin']) {
  test(`a taken ${name} port ends the start with a sentence`, async (t) => {
    const port = await portInUse(t);
    const refused = await startSluice(t, [
      '--http-port=0',
      '--native-port=0',
      '--admin-port=0',
      `--${name}-port=${port}`,
      '--clickhouse-url',
      NOWHERE,
    ]).ended;
    t.is(refused.code, 1);
    t.true(
      refused.stderr.includes(
        `sluice: ${name}_port: port ${port} on 127.0.0.1 is in use: stop what listens there or choose another with --${name}-port.\n`,
      ),
      refused.stderr,
    );
    t.notRegex(refused.stderr, /\n\s+at /);
  });
}

test('an address of another machine ends the start with a sentence', async (t) => {
  const refused = await startSluice(t, ['--host=203.0.113.1', '--http-port=0', '--native-port=0', '--admin-port=0']).ended;
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^sluice: host: '203\.0\.113\.1' is not an address of this machine\.$/m);
});

test('when the grace period is over the process ends with 1 and says what still ran', async (t) => {
  const child = startChild(t, 'test/fixtures/slow-gateway.ts', ['forever', '50']);
  await child.printed(/up/);
  child.kill('SIGTERM');
  const { code, stderr } = await child.ended;
  t.is(code, 1);
  t.regex(stderr, /"still_running":\["batch of db\.queue"\],"msg":"grace period is over"/);
});

test('a second signal ends the process at once with 1', async (t) => {
  const child = startChild(t, 'test/fixtures/slow-gateway.ts', ['forever', '60000']);
  await child.printed(/up/);
  child.kill('SIGTERM');
  await child.printed(/gateway stops/);
  child.kill('SIGINT');
  const { code, stderr } = await child.ended;
  t.is(code, 1);
  t.regex(stderr, /"still_running":\["batch of db\.queue"\],"msg":"stopped by a second signal"/);
});

test('a drain that fails ends the process with 1 and the reason', async (t) => {
  const child = startChild(t, 'test/fixtures/slow-gateway.ts', ['fails', '60000']);
  await child.printed(/up/);
  child.kill('SIGTERM');
  const { code, stderr } = await child.ended;
  t.is(code, 1);
  t.regex(stderr, /broker went away.*"msg":"gateway could not stop cleanly"/);
});
