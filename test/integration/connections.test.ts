import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { quoteString } from '../../src/sql/index.ts';
import { uniqueName, useClickHouse, useDatabase, waitFor } from '../helpers/index.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { Authority } from '../parts/authority.ts';
import { makeFolder, removeFolder } from '../parts/folder.ts';
import { startGateway, type GatewayPart } from '../parts/gateway.ts';
import { startSecureKafka, USER, type ListenerName, type SecureKafkaPart } from '../parts/secure-kafka.ts';

interface World {
  readonly kafka: SecureKafkaPart;
  readonly gateway: GatewayPart;
  /** `kafka_ssl_folder` of the gateway. */
  readonly files: string;
}

type Settings = Readonly<Record<string, string | number>>;
type SettingsIn = (world: World) => Settings;

ownClickHouse();
let world: World;

test.before('a broker with all listeners and a gateway', async () => {
  const files = makeFolder('ssl');
  const kafka = await startSecureKafka();
  const { url, nativePort } = await useClickHouse();
  const env = {
    SLUICE_KAFKA_SSL_FOLDER: files,
    // Tests look for what must not be there.
    SLUICE_LOG_LEVEL: 'debug',
    AWS_ACCESS_KEY_ID: 'AKIDOFTHETEST',
    AWS_SECRET_ACCESS_KEY: 'the AWS secret of the test',
  };
  world = { kafka, gateway: await startGateway({ clickHouseUrl: url, clickHouseNativePort: nativePort, env }), files };
});

test.after.always('both are stopped', async () => {
  await world.gateway.stop();
  await world.kafka.stop();
  removeFolder(world.files);
});

interface Table {
  readonly topic: string;
  readonly database: string;
  sql(statement: string): Promise<string>;
  /** What the status says has gone wrong with it. */
  exceptions(): Promise<string[]>;
}

/** A Kafka table `queue` of a topic of its own, and a view of it into `target`. */
async function useTable(t: ExecutionContext, brokers: string, settings: Settings): Promise<Table> {
  const { kafka, gateway } = world;
  const [database, topic] = [await useDatabase(t), uniqueName(t, 'topic')];
  await kafka.createTopic(topic);
  const sql = async (statement: string): Promise<string> => {
    const response = await fetch(`${gateway.url}/?database=${database}`, { method: 'POST', body: statement });
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return text.trimEnd();
  };
  const more = Object.entries(settings).map(([name, value]) => `, ${name} = ${typeof value === 'string' ? quoteString(value) : value}`);
  await sql('CREATE TABLE target (id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100');
  await sql(
    `CREATE TABLE queue (id UInt64) ENGINE = Kafka(${quoteString(brokers)}, '${topic}', '${uniqueName(t, 'group')}', 'JSONEachRow') ` +
      `SETTINGS kafka_flush_interval_ms = 200${more.join('')}`,
  );
  await sql('CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue');
  return {
    topic,
    database,
    sql,
    exceptions: async () => {
      const { tables } = (await (await fetch(`${gateway.adminUrl}/status`)).json()) as {
        tables: { database: string; exceptions: { text: string }[] }[];
      };
      return tables.filter((table) => table.database === database).flatMap(({ exceptions }) => exceptions.map(({ text }) => text));
    },
  };
}

function loggedOf({ database }: Table): string[] {
  return world.gateway
    .logs()
    .split('\n')
    .filter((line) => line.includes(database));
}

async function holds(table: Table, ids: string): Promise<void> {
  await waitFor(
    async () => {
      const found = await table.sql("SELECT arrayStringConcat(arraySort(groupArray(toString(id))), ',') FROM target");
      if (found !== ids) throw new Error(`${found}; ${(await table.exceptions()).join('\n')}`);
      return true;
    },
    { message: `rows ${ids}` },
  );
}

function addressOf(listener: ListenerName, host: string): string {
  return world.kafka.at(listener).replace('localhost', host);
}

/** Messages become rows, and rows messages. */
const reads = test.macro({
  exec: async (t: ExecutionContext, listener: ListenerName, settings: SettingsIn, host: string = 'localhost') => {
    const table = await useTable(t, addressOf(listener, host), settings(world));
    await world.kafka.produce(table.topic, ['{"id": 1}', '{"id": 2}']);
    await holds(table, '1,2');
    await table.sql('INSERT INTO queue VALUES (3)');
    await holds(table, '1,2,3');
    t.deepEqual(await table.exceptions(), []);
  },
  title: (title = '') => `rows go both ways over ${title}`,
});

const UNCHECKED: Settings = { kafka_check_on_create: 0 };

/** CREATE says why nothing would come; where it does not look, the status does. */
const isTold = test.macro({
  exec: async (t: ExecutionContext, listener: ListenerName, settings: SettingsIn, sentence: RegExp, host: string = 'localhost') => {
    const refusal = await t.throwsAsync(useTable(t, addressOf(listener, host), settings(world)));
    t.regex(refusal.message, sentence);
    const table = await useTable(t, addressOf(listener, host), { ...settings(world), ...UNCHECKED });
    const first = await waitFor(async () => (await table.exceptions())[0]);
    t.regex(first, sentence);
    // What was refused once is not tried again before the pause between two consumers.
    if (listener === 'SASL')
      t.deepEqual(
        loggedOf(table).filter((line) => /"retryCount":[1-9]/.test(line)),
        [],
      );
    t.true(world.gateway.isRunning());
  },
  title: (title = '') => `${title} is told by CREATE, and in the status`,
});

const overTls: SettingsIn = ({ kafka }) => ({ kafka_security_protocol: 'ssl', kafka_ssl_ca_pem: kafka.authority.cert });
const withClient: SettingsIn = (w) => ({
  ...overTls(w),
  kafka_ssl_certificate_pem: w.kafka.client.cert,
  kafka_ssl_key_pem: w.kafka.client.key,
});
const asUser =
  (mechanism: string, password: string = USER.password): SettingsIn =>
  () => ({
    kafka_security_protocol: 'SASL_PLAINTEXT',
    kafka_sasl_mechanism: mechanism,
    kafka_sasl_username: USER.name,
    kafka_sasl_password: password,
  });
const asClient =
  (client: string): SettingsIn =>
  ({ kafka }) => ({
    kafka_security_protocol: 'sasl_plaintext',
    kafka_sasl_mechanism: 'OAUTHBEARER',
    kafka_sasl_oauthbearer_method: 'oidc',
    kafka_sasl_oauthbearer_client_id: client,
    kafka_sasl_oauthbearer_client_secret: `${client}-secret`,
    kafka_sasl_oauthbearer_scope: 'kafka',
    kafka_sasl_oauthbearer_extensions: 'logicalCluster=lkc-1,identityPoolId=pool-1',
    kafka_sasl_oauthbearer_token_endpoint_url: kafka.tokens.url,
    kafka_https_ca_pem: kafka.authority.cert,
  });
const plusTls =
  (settings: SettingsIn): SettingsIn =>
  (w) => ({ ...settings(w), ...overTls(w), kafka_security_protocol: 'sasl_ssl' });

test('TLS with an authority of its own', reads, 'TLS', overTls);
test('TLS with a client certificate', reads, 'MUTUAL', withClient);
test(
  'TLS to another name than the certificate has, unchecked',
  reads,
  'TLS',
  (w) => ({ ...overTls(w), kafka_ssl_endpoint_identification_algorithm: 'none' }),
  '127.0.0.1',
);
test('TLS without a check of the certificate', reads, 'TLS', () => ({
  kafka_security_protocol: 'ssl',
  kafka_enable_ssl_certificate_verification: 0,
}));
for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']) {
  test(`SASL ${mechanism}`, reads, 'SASL', asUser(mechanism));
  test(`SASL ${mechanism} and TLS`, reads, 'SASLTLS', plusTls(asUser(mechanism)));
  test(
    `a wrong password of ${mechanism}`,
    isTold,
    'SASL',
    asUser(mechanism, 'wrong'),
    /authentication failed: .*(?:invalid credentials|Invalid username or password)/i,
  );
}
test('SASL OAUTHBEARER', reads, 'SASL', asClient('gateway'));
test('SASL OAUTHBEARER and TLS', reads, 'SASLTLS', plusTls(asClient('gateway')));
test('AWS_MSK_IAM', reads, 'MSK', (w) => ({
  ...overTls(w),
  kafka_security_protocol: '',
  kafka_sasl_mechanism: 'AWS_MSK_IAM',
  kafka_aws_region: 'eu-west-1',
}));

test(
  'an authority that is not trusted',
  isTold,
  'TLS',
  () => ({ kafka_security_protocol: 'ssl' }),
  /step tls failed at broker localhost:\d+: .*certificate/,
);
test(
  'a wrong name',
  isTold,
  'TLS',
  overTls,
  /step tls failed at broker 127\.0\.0\.1:\d+: Hostname\/IP does not match certificate's altnames/,
  '127.0.0.1',
);
test('a missing client certificate', isTold, 'MUTUAL', overTls, /step tls failed at broker localhost:\d+: .*alert.* client certificate/);
test('a token that the broker refuses', isTold, 'SASL', asClient('stranger'), /OAUTHBEARER authentication failed: .*invalid_token/);
test(
  'a client that gets no token',
  isTold,
  'SASL',
  (w) => ({ ...asClient('gateway')(w), kafka_sasl_oauthbearer_client_secret: 'wrong' }),
  /the token endpoint https:\/\/localhost:\d+\/token gave no token: status 401: invalid_client: who are you\?/,
);
test(
  'a token endpoint that is not trusted',
  isTold,
  'SASL',
  (w) => ({ ...asClient('gateway')(w), kafka_https_ca_pem: '' }),
  /the token endpoint .* gave no answer: .*certificate/,
);
test(
  'an unknown protocol',
  isTold,
  'TLS',
  () => ({ kafka_security_protocol: 'tls' }),
  /Unsupported security.protocol 'tls': it must be plaintext, ssl, sasl_plaintext or sasl_ssl/,
);
test('an unknown mechanism', isTold, 'SASL', asUser('DIGEST-MD5'), /Unsupported sasl.mechanism 'DIGEST-MD5': it must be PLAIN, /);
test('a missing password', isTold, 'SASL', asUser('PLAIN', ''), /sasl.username and sasl.password must be set/);
test(
  'an authority that is no PEM',
  isTold,
  'TLS',
  () => ({ kafka_security_protocol: 'ssl', kafka_ssl_ca_pem: 'secret' }),
  /ssl.ca.pem holds no certificate: /,
);
test('a mechanism that the broker does not know', isTold, 'MSK', plusTls(asUser('PLAIN')), /mechanism/i);

test('an INSERT through a refused connection fails with the reason', async (t) => {
  const table = await useTable(t, world.kafka.at('SASL'), {
    ...asUser('PLAIN', 'wrong')(world),
    ...UNCHECKED,
    kafka_delivery_timeout_ms: 2000,
  });
  // On a busy machine the first one may be too early to know.
  await waitFor(async () => {
    const error = await t.throwsAsync(table.sql('INSERT INTO queue VALUES (1)'));
    return /Invalid username or password/.test(error.message);
  });
});

test('a certificate that is renewed in its file is taken up', async (t) => {
  const { kafka, files } = world;
  const [own, cert, key] = ['ca.pem', 'client.pem', 'client-key.pem'].map((name) => `${t.title.replaceAll(' ', '-')}-${name}`) as [
    string,
    string,
    string,
  ];
  const put = async (authority: Authority): Promise<void> => copyFile(authority.certFile, join(files, own));
  const folder = makeFolder('stranger');
  t.teardown(() => removeFolder(folder));
  await put(await Authority.make(folder, 'stranger'));
  await copyFile(kafka.client.certFile, join(files, cert));
  await copyFile(kafka.client.keyFile, join(files, key));
  const table = await useTable(t, kafka.at('MUTUAL'), {
    kafka_security_protocol: 'ssl',
    kafka_ssl_ca_location: own,
    kafka_ssl_certificate_location: join(files, cert),
    kafka_ssl_key_location: key,
    ...UNCHECKED,
  });
  await kafka.produce(table.topic, ['{"id": 1}']);
  await waitFor(async () => (await table.exceptions()).some((text) => /step tls failed/.test(text)));
  await put(kafka.authority);
  await holds(table, '1');
  t.pass();
});

/** A letter for each authentication (a) and each fetch (f) of the table's. */
function exchanges(table: Table): string {
  const requests = loggedOf(table).flatMap((line) => /"Request (Fetch|SaslHandshake)\(/.exec(line)?.[1] ?? []);
  return requests.map((name) => (name === 'Fetch' ? 'f' : 'a')).join('');
}

/** Reads and writes while sessions end, and loses no connection by it: each authenticates anew in time. */
const survives = test.macro({
  exec: async (t: ExecutionContext, listener: ListenerName, settings: SettingsIn) => {
    const table = await useTable(t, world.kafka.at(listener), settings(world));
    const ids: number[] = [];
    // Authenticated, fetched, authenticated anew, and that twice.
    while (!/af+a+f+a+f/.test(exchanges(table))) {
      ids.push(ids.length + 1);
      if (ids.length % 2 === 0) await table.sql(`INSERT INTO queue VALUES (${ids.length})`);
      else await world.kafka.produce(table.topic, [`{"id": ${ids.length}}`]);
      await holds(table, [...ids].map(String).sort().join(','));
    }
    t.deepEqual(await table.exceptions(), []);
    t.deepEqual(
      loggedOf(table).filter((line) => line.includes('server has closed connection')),
      [],
    );
  },
  title: (title = '') => `a stream lives longer than ${title}`,
});

test('the sessions of PLAIN', survives, 'SHORT', plusTls(asUser('PLAIN')));
test('the sessions of SCRAM', survives, 'SHORT', plusTls(asUser('SCRAM-SHA-512')));
test('its tokens', survives, 'SASL', asClient('brief'));

test('a file that may not be read is named, by CREATE and without looking at it', async (t) => {
  for (const path of ['/etc/passwd', '../secret.pem', '/nonexistent']) {
    const error = await t.throwsAsync(useTable(t, world.kafka.at('TLS'), { kafka_security_protocol: 'ssl', kafka_ssl_ca_location: path }));
    t.regex(error.message, /Code: 36\..* is not below kafka_ssl_folder: .*\(BAD_ARGUMENTS\)/);
  }
});

test('secrets are shown to nobody, and not logged', async (t) => {
  const table = await useTable(t, world.kafka.at('MUTUAL'), {
    ...asClient('gateway')(world),
    kafka_ssl_key_pem: world.kafka.client.key,
    kafka_ssl_key_password: 'the password of the key',
    ...UNCHECKED,
  });
  const shown = await table.sql('SHOW CREATE TABLE queue FORMAT TSVRaw');
  for (const name of ['kafka_sasl_oauthbearer_client_secret', 'kafka_ssl_key_pem', 'kafka_ssl_key_password'])
    t.true(shown.includes(`${name} = \\'[HIDDEN]\\'`) || shown.includes(`${name} = '[HIDDEN]'`), name);
  const all = shown + world.gateway.logs();
  for (const secret of ['gateway-secret', 'PRIVATE KEY', 'the password of the key', USER.password, 'the AWS secret of the test'])
    t.false(all.includes(secret), secret);
});
