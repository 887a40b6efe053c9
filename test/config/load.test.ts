import test from 'ava';
import { loadConfig, printableConfig, type Config } from '../../src/config/index.ts';
import { EMPTY_SECTION } from '../../src/librdkafka/index.ts';

function load(argv: readonly string[], env: Record<string, string> = {}, file?: string): Config {
  const readFile = (path: string) => {
    if (path !== '/etc/sluice.yaml' || file === undefined) throw new Error(`unexpected file ${path}`);
    return file;
  };
  const result = loadConfig({ argv, env, readFile });
  if (result.kind !== 'config') throw new Error(JSON.stringify(result));
  return result.config;
}

test('without any setting every default holds', (t) => {
  t.deepEqual(load([]), {
    host: '127.0.0.1',
    httpPort: 8124,
    nativePort: 9001,
    httpsPort: 'off',
    nativePortSecure: 'off',
    tlsCertificate: undefined,
    tlsKey: undefined,
    tls: undefined,
    adminPort: 9364,
    clickhouseUrl: 'http://127.0.0.1:8123',
    clickhouseNative: { host: '127.0.0.1', port: 9000 },
    clickhouseNativeSecure: false,
    clickhouseCa: undefined,
    clickhouseCaPem: undefined,
    clickhouseVerify: true,
    clickhouseUser: 'default',
    clickhousePassword: '',
    secretKey: undefined,
    oldSecretKey: undefined,
    kafkaConfigFile: undefined,
    kafka: EMPTY_SECTION,
    namedCollections: new Map(),
    meaninglessProperties: [],
    memoryBudgetBytes: 208 * 1024 ** 2,
    maxBatchBytes: 64 * 1024 ** 2,
    deadLetterTable: { database: 'system', name: 'dead_letter_queue' },
    kafkaCheckOnCreate: true,
    kafkaCheckTimeoutMs: 10_000,
    catalogIntervalMs: 1000,
    allowedBrokers: undefined,
    allowedHttpHosts: undefined,
    maxConnections: 4096,
    receiveTimeoutMs: 30_000,
    maxRequestHeadBytes: 4 * 1024 * 1024,
    maxStatementBytes: 64 * 1024 * 1024,
    statementMemoryBytes: 256 * 1024 * 1024,
    shutdownGraceMs: 30_000,
    logLevel: 'info',
  });
});

test('flags win over the environment, the environment over the file, the file over the defaults', (t) => {
  const file = 'http_port: 1\nnative_port: 11\nadmin_port: 21\n';
  const env = { SLUICE_CONFIG: '/etc/sluice.yaml', SLUICE_HTTP_PORT: '2', SLUICE_NATIVE_PORT: '12' };
  const config = load(['--http-port', '3'], env, file);
  t.deepEqual([config.httpPort, config.nativePort, config.adminPort, config.host], [3, 12, 21, '127.0.0.1']);
});

test('a flag takes its value after a blank or an equals sign, and given twice the last one counts', (t) => {
  const config = load(['--http-port', '1', '--admin-port=2', '--http-port=3', '--clickhouse-password=--dashes']);
  t.deepEqual([config.httpPort, config.adminPort, config.clickhousePassword], [3, 2, '--dashes']);
});

test('all types can come from a file, which keeps their text as written', (t) => {
  const file = `
# comments are fine
host: 0.0.0.0
clickhouse_url: https://ch.example.org
clickhouse_native: '[::1]:9440'
clickhouse_password: 007
secret_key: "a # b, and more to it"
memory_budget: 1GiB
max_batch_size: 67108864
catalog_interval_ms: 7.5s
log_level: debug
shutdown_grace_ms:
`;
  const config = load(['--config', '/etc/sluice.yaml'], {}, file);
  t.like(config, {
    host: '0.0.0.0',
    clickhouseUrl: 'https://ch.example.org',
    clickhouseNative: { host: '::1', port: 9440 },
    clickhousePassword: '007',
    secretKey: 'a # b, and more to it',
    memoryBudgetBytes: 1024 ** 3,
    maxBatchBytes: 64 * 1024 ** 2,
    catalogIntervalMs: 7500,
    logLevel: 'debug',
    shutdownGraceMs: 30_000,
  });
});

test('the native address follows the host of the URL', (t) => {
  t.deepEqual(load(['--clickhouse-url', 'http://[::1]:8443/']).clickhouseNative, { host: '::1', port: 9000 });
});

test('an empty environment variable and the variables of a Kubernetes service count as not set', (t) => {
  const env = {
    SLUICE_HTTP_PORT: '',
    SLUICE_SERVICE_HOST: '10.0.0.7',
    SLUICE_PORT: 'tcp://10.0.0.7:1',
    SLUICE_PORT_8124_TCP_ADDR: '10.0.0.7',
  };
  t.is(load([], env).httpPort, 8124);
});

test('port 0 may be used by all ports: each takes a free one', (t) => {
  t.is(load(['--http-port=0', '--admin-port=0', '--native-port=0']).adminPort, 0);
});

test('a port can be off', (t) => {
  t.like(load(['--http-port=off'], { SLUICE_NATIVE_PORT: 'off' }), { httpPort: 'off', nativePort: 'off' });
});

test('settings are shown under their names and secrets as ***', (t) => {
  const shown = printableConfig(
    load(['--secret-key', 'hunter2hunter2hunter2', '--old-secret-key', 'hunter2hunter2hunter3', '--clickhouse-password', 'hunter2']),
  );
  t.like(shown, { http_port: 8124, secret_key: '***', old_secret_key: '***', clickhouse_password: '***' });
  t.notRegex(JSON.stringify(shown), /hunter2/);
  t.false('secret_key' in printableConfig(load([])));
});

test('--help names every setting in all its spellings, and wins over mistakes', (t) => {
  const result = loadConfig({ argv: ['--htp-port', '-h'], env: {}, readFile: () => '' });
  if (result.kind !== 'help') return t.fail(result.kind);
  for (const key of Object.keys(printableConfig(load([])))) {
    t.true(result.text.includes(`--${key.replaceAll('_', '-')} `), key);
    t.true(result.text.includes(`SLUICE_${key.toUpperCase()}\n`), key);
  }
  t.is(loadConfig({ argv: ['--version'], env: {}, readFile: () => '' }).kind, 'version');
});
