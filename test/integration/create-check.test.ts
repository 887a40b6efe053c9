import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import kafkajs from 'kafkajs';
import { useCertificate, useDatabase, useRegistry, useTlsProxy, uniqueName, waitFor } from '../helpers/index.ts';
import { useGateway } from '../helpers/gateway.ts';
import type { GatewayPart } from '../parts/gateway.ts';
import { startOwnKafka, type KafkaPart } from '../parts/kafka.ts';
import { freePort } from '../parts/ports.ts';
import { useDoors, type Door } from './doors/index.ts';

const LIMIT_MS = 2_000;
const WAY_OUT = /\. To create it without these checks set kafka_check_on_create = 0$/;
const SASL = "kafka_security_protocol = 'sasl_plaintext', kafka_sasl_mechanism = 'PLAIN'";

/** One broker with a port of each kind. */
interface World {
  readonly kafka: KafkaPart;
  readonly gateway: GatewayPart;
  readonly sasl: string;
  readonly tls: string;
  /** Its clients are sent to an address where nobody listens. */
  readonly astray: string;
}

const ends: (() => Promise<unknown>)[] = [];
let world: World;

test.before(async (t) => {
  const teardowns: (() => unknown)[] = [];
  const own = { title: t.title, teardown: (end: () => unknown) => void teardowns.push(end) } as unknown as ExecutionContext;
  ends.push(async () => Promise.all(teardowns.reverse().map((end) => end())));
  const { certFile, cert, key } = await useCertificate(own);
  const keyStore = certFile.replace('cert.pem', 'store.pem');
  await writeFile(keyStore, Buffer.concat([key, cert]));
  const [port, sasl, tls, astray, controller] = await Promise.all([freePort(), freePort(), freePort(), freePort(), freePort()]);
  const kafka = await startOwnKafka({
    port,
    properties: {
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      listeners: `PLAINTEXT://127.0.0.1:${port},SASL://127.0.0.1:${sasl},TLS://localhost:${tls},ASTRAY://127.0.0.1:${astray},CONTROLLER://127.0.0.1:${controller}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},SASL://127.0.0.1:${sasl},TLS://localhost:${tls},ASTRAY://127.0.0.1:1`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,ASTRAY:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl.plain.sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_reader="reader secret" user_writer="writer secret" user_nobody="nobody secret";',
      'listener.name.tls.ssl.keystore.type': 'PEM',
      'listener.name.tls.ssl.keystore.location': keyStore,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
    },
  });
  ends.push(async () => kafka.stop());
  const gateway = await useGateway(own, {
    env: { NODE_EXTRA_CA_CERTS: certFile, SLUICE_KAFKA_CHECK_TIMEOUT_MS: String(LIMIT_MS * 5), SLUICE_LOG_LEVEL: 'info' },
  });
  world = { kafka, gateway, sasl: `127.0.0.1:${sasl}`, tls: `localhost:${tls}`, astray: `127.0.0.1:${astray}` };
});

test.after.always(async () => {
  for (const end of ends.reverse()) await end();
});

interface Refused {
  readonly brokers: string;
  readonly topic?: string;
  readonly group?: string;
  readonly format?: string;
  /** More of the table's settings, as SQL. */
  readonly settings?: string;
}

function engineOf({ brokers, topic = 't', group = 'g', format = 'JSONEachRow', settings }: Refused): string {
  return `ENGINE = Kafka('${brokers}', '${topic}', '${group}', '${format}')${settings === undefined ? '' : ` SETTINGS ${settings}`}`;
}

/** Both doors tell the same, and nothing is made. */
async function refuses(t: ExecutionContext, table: Refused, code: number, text: RegExp, gateway = world.gateway): Promise<void> {
  for (const door of await useDoors(t, gateway)) {
    const { refusal } = await door.ask({ sql: `CREATE TABLE DB.q (a Int32) ${engineOf(table)}` });
    t.is(refusal?.code, code, `${door.name}: ${refusal?.text}`);
    t.regex(refusal?.text ?? '', text, door.name);
    t.regex(refusal?.text ?? '', /^Kafka table DB\.q is not created: step /);
    t.regex(refusal?.text ?? '', WAY_OUT);
    t.deepEqual((await door.ask({ sql: 'EXISTS TABLE DB.q' })).rows, [['0']]);
  }
}

async function accepts(t: ExecutionContext, table: Refused, gateway = world.gateway): Promise<void> {
  for (const door of await useDoors(t, gateway)) {
    const answer = await door.ask({ sql: `CREATE TABLE DB.q (a Int32) ${engineOf(table)}` });
    t.is(answer.refusal?.text, undefined, door.name);
    t.deepEqual((await door.ask({ sql: 'EXISTS TABLE DB.q' })).rows, [['1']]);
  }
}

async function useTopic(t: ExecutionContext): Promise<string> {
  const topic = uniqueName(t, 'topic');
  await world.kafka.createTopic(topic);
  return topic;
}

/** Somebody who is no broker: what it does with a connection; its address. */
async function usePeer(t: ExecutionContext, onConnection: (socket: Socket) => void): Promise<{ address: string; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
}

test('a table whose brokers, topic and group can be used is created', async (t) => {
  await accepts(t, { brokers: world.kafka.brokers, topic: await useTopic(t) });
});

test('a host name that does not exist is told, with what to correct', async (t) => {
  await refuses(
    t,
    { brokers: 'no-such-host.invalid:9092' },
    210,
    /step resolve failed at broker no-such-host\.invalid:9092: the name (?:is not known|server does not answer) .*kafka_broker_list/,
  );
});

test('a port where nobody listens is told', async (t) => {
  const text = /step connect failed at broker 127\.0\.0\.1:1: Connection refused\. Check host and port in kafka_broker_list/;
  await refuses(t, { brokers: '127.0.0.1:1' }, 210, text);
});

test('an item of the broker list that is no address is told', async (t) => {
  await refuses(t, { brokers: 'no host:9092' }, 36, /step settings failed: 'no host:9092' in kafka_broker_list is no address/);
});

test('a topic that does not exist is told', async (t) => {
  const topic = await useTopic(t);
  const text =
    /step topic failed at broker \S+: Broker: Unknown topic or partition: missing_one, missing_two\. Create it, or correct kafka_topic_list/;
  await refuses(t, { brokers: world.kafka.brokers, topic: `missing_one,${topic},missing_two` }, 36, text);
});

test('a name that no topic can have is told', async (t) => {
  await refuses(t, { brokers: world.kafka.brokers, topic: 'a/b' }, 36, /step topic failed at broker .*: Broker: Invalid topic: a\/b\. /);
});

test('a plaintext client at a TLS port is told so', async (t) => {
  const text = /step protocol failed at broker localhost:\d+: .*If this port speaks TLS, set kafka_security_protocol = 'ssl' or 'sasl_ssl'/;
  await refuses(t, { brokers: world.tls }, 210, text);
});

test('a TLS client at a plaintext port is told so', async (t) => {
  const text = /step tls failed at broker 127\.0\.0\.1:\d+: .*If this port speaks no TLS, .*kafka_security_protocol = 'plaintext'/;
  await refuses(t, { brokers: world.kafka.brokers, settings: "kafka_security_protocol = 'ssl'" }, 210, text);
});

test('a table over TLS, with a certificate from an authority that the gateway knows, is created', async (t) => {
  await accepts(t, { brokers: world.tls, topic: await useTopic(t), settings: "kafka_security_protocol = 'ssl'" });
});

test('a certificate from nobody known is told', async (t) => {
  const port = await useTlsProxy(t, await useCertificate(t), world.kafka.port);
  const text = /step tls failed at broker localhost:\d+: self-signed certificate\. .*kafka_ssl_ca_pem/;
  await refuses(t, { brokers: `localhost:${port}`, settings: "kafka_security_protocol = 'ssl'" }, 210, text);
});

test('a certificate for another host is told', async (t) => {
  const brokers = world.tls.replace('localhost', '127.0.0.1');
  const text = /step tls failed at broker 127\.0\.0\.1:\d+: Hostname\/IP does not match .*kafka_ssl_endpoint_identification_algorithm/;
  await refuses(t, { brokers, settings: "kafka_security_protocol = 'ssl'" }, 210, text);
});

test('a wrong password is told in the words of the broker', async (t) => {
  const settings = `${SASL}, kafka_sasl_username = 'reader', kafka_sasl_password = 'wrong one'`;
  const text =
    /step sasl failed at broker 127\.0\.0\.1:\d+: SASL Authentication failed: .*Invalid username or password\. Check .*kafka_sasl_password/;
  await refuses(t, { brokers: world.sasl, settings }, 516, text);
  t.false(world.gateway.logs().includes('wrong one'));
});

test('a mechanism that the broker does not enable is told, with those that it does', async (t) => {
  const settings =
    "kafka_security_protocol = 'sasl_plaintext', kafka_sasl_mechanism = 'SCRAM-SHA-256', kafka_sasl_username = 'reader', kafka_sasl_password = 'p'";
  const text =
    /step sasl failed at broker .*: the mechanism SCRAM-SHA-256 is not enabled at this broker, which enables PLAIN\. Set kafka_sasl_mechanism to PLAIN/;
  await refuses(t, { brokers: world.sasl, settings }, 516, text);
});

test('a port that asks for credentials is told to one who has none', async (t) => {
  const text =
    /step metadata failed at broker 127\.0\.0\.1:\d+: .*If this port asks for credentials, set kafka_security_protocol = 'sasl_plaintext'/;
  await refuses(t, { brokers: world.sasl }, 210, text);
});

test('credentials for a port that asks for none are told', async (t) => {
  const settings = `${SASL}, kafka_sasl_username = 'reader', kafka_sasl_password = 'reader secret'`;
  const text =
    /step sasl failed at broker 127\.0\.0\.1:\d+: Broker: Request not valid in current SASL state\. This port asks for no credentials/;
  await refuses(t, { brokers: world.kafka.brokers, settings }, 516, text);
});

test('a broker that is reached, and advertises an address that is not, is told with both', async (t) => {
  const text =
    /step connect failed at broker 127\.0\.0\.1:1, an address that broker 127\.0\.0\.1:\d+ advertises: Connection refused\. .*advertised\.listeners/;
  await refuses(t, { brokers: world.astray, topic: await useTopic(t) }, 210, text);
});

test('what is no Kafka is told', async (t) => {
  const web = await usePeer(t, (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await refuses(
    t,
    { brokers: web.address },
    210,
    /step protocol failed at broker .*: its answer is not Kafka's protocol \(it begins with "HTTP\/1\.1"\)/,
  );
  const rude = await usePeer(t, (socket) => void socket.destroy());
  await refuses(
    t,
    { brokers: rude.address },
    210,
    /step protocol failed at broker .*: (?:the broker closed the connection without an answer|Connection reset by peer)\. .*speaks TLS/,
  );
});

test('several brokers of which one answers are enough, and the log names the others', async (t) => {
  const brokers = `127.0.0.1:1,${world.kafka.brokers},no-such-host.invalid:9092`;
  await accepts(t, { brokers, topic: await useTopic(t) });
  await waitFor(() =>
    /"broker":"127\.0\.0\.1:1".*"reason":"Connection refused".*broker of the list does not answer/.test(world.gateway.logs()),
  );
  await waitFor(() => /"broker":"no-such-host\.invalid:9092".*broker of the list does not answer/.test(world.gateway.logs()));
});

test('several brokers of which none lets us in are all told', async (t) => {
  const settings = `${SASL}, kafka_sasl_username = 'reader', kafka_sasl_password = 'wrong'`;
  const text =
    /step sasl failed at broker 127\.0\.0\.1:\d+: .*; nor does any other broker let us in: 127\.0\.0\.1:1 \(step connect: Connection refused\)\. Check/;
  await refuses(t, { brokers: `127.0.0.1:1,${world.sasl}`, settings }, 516, text);
});

async function allow(user: string, on: 'TOPIC' | 'GROUP', name: string, operation: 'READ' | 'WRITE'): Promise<void> {
  const acl = {
    resourceType: kafkajs.AclResourceTypes[on],
    resourceName: name,
    resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
    principal: `User:${user}`,
    host: '*',
    operation: kafkajs.AclOperationTypes[operation],
    permissionType: kafkajs.AclPermissionTypes.ALLOW,
  };
  await world.kafka.withAdmin(async (admin) => admin.createAcls({ acl: [acl] }));
}

const as = (user: string): string => `${SASL}, kafka_sasl_username = '${user}', kafka_sasl_password = '${user} secret'`;

test('a topic and a group that the user may not use are told, and one that may be written to only is created', async (t) => {
  const [topic, group] = [await useTopic(t), uniqueName(t, 'group')];
  const hidden = new RegExp(`step topic failed at broker .*: Broker: Topic authorization failed: ${topic}\\. Allow the user`);
  await refuses(t, { brokers: world.sasl, topic, group, settings: as('nobody') }, 497, hidden);
  await allow('reader', 'TOPIC', topic, 'READ');
  const refusedGroup = new RegExp(`step group failed at broker .*: Broker: Group authorization failed: ${group}\\. Allow the user`);
  await refuses(t, { brokers: world.sasl, topic, group, settings: as('reader') }, 497, refusedGroup);
  await allow('reader', 'GROUP', group, 'READ');
  await accepts(t, { brokers: world.sasl, topic, group, settings: as('reader') });
  await allow('writer', 'TOPIC', topic, 'WRITE');
  await accepts(t, { brokers: world.sasl, topic, group, settings: as('writer') });
});

test('an unknown format and a schema file that cannot be used are told with the codes of the server', async (t) => {
  const topic = await useTopic(t);
  await refuses(
    t,
    { brokers: world.kafka.brokers, topic, format: 'Bogus' },
    73,
    /step format failed: Unknown format Bogus\. Correct kafka_format/,
  );
  const file = { brokers: world.kafka.brokers, topic, format: 'Protobuf', settings: "kafka_schema = 'nowhere:Message'" };
  await refuses(t, file, 434, /step format failed: Cannot parse 'nowhere\.proto' file, .*File not found\. Correct kafka_schema/);
  const settings = `format_schema_source = 'string', format_schema_message_name = 'Other', format_schema = 'syntax = "proto3"; message M { int32 a = 1; }'`;
  await refuses(t, { ...file, settings }, 36, /step format failed: Could not find a message named 'Other'/);
  await accepts(t, { ...file, settings: settings.replace('Other', 'M') });
});

test('a registry is asked for the schema of the newest message', async (t) => {
  const [topic, registry] = [await useTopic(t), await useRegistry(t)];
  const table = (url: string): Refused => ({
    brokers: world.kafka.brokers,
    topic,
    format: 'AvroConfluent',
    settings: `format_avro_schema_registry_url = '${url}'`,
  });
  const nobody = await freePort();
  const unreachable = /step schema failed at the schema registry http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/;
  await refuses(t, table(`http://127.0.0.1:${nobody}`), 210, unreachable);
  await refuses(t, table('nonsense'), 210, /step schema failed at format_avro_schema_registry_url: it is no URL/);
  await accepts(t, table(registry.url));
  const id = await registry.register(
    uniqueName(t, 'subject'),
    JSON.stringify({ type: 'record', name: 'R', fields: [{ name: 'a', type: 'int' }] }),
  );
  const message = (schema: number): Buffer => {
    const value = Buffer.from([0, 0, 0, 0, 0, 2]);
    value.writeUInt32BE(schema, 1);
    return value;
  };
  await world.kafka.produce(topic, [{ value: message(987_654) }]);
  await refuses(t, table(registry.url), 36, /step schema failed at the schema registry .*: it knows no schema with id 987654/);
  await world.kafka.produce(topic, [{ value: message(id) }]);
  await accepts(t, table(registry.url));
});

test('a registry that refuses the credentials is told, without them', async (t) => {
  const locked = await usePeer(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'));
  });
  const settings = `format_avro_schema_registry_url = 'http://user:registry-secret@${locked.address}'`;
  const table = { brokers: world.kafka.brokers, topic: await useTopic(t), format: 'AvroConfluent', settings };
  await refuses(
    t,
    table,
    516,
    /step schema failed at the schema registry http:\/\/127\.0\.0\.1:\d+: it refuses the credentials \(HTTP 401\)/,
  );
  t.false(world.gateway.logs().includes('registry-secret'));
});

test('a table without columns fails with the same sentence', async (t) => {
  for (const door of await useDoors(t, world.gateway)) {
    const { refusal } = await door.ask({ sql: `CREATE TABLE DB.q ${engineOf({ brokers: '127.0.0.1:1' })}` });
    t.is(refusal?.code, 210);
    t.regex(refusal?.text ?? '', /^Kafka table DB\.q is not created: step connect failed at broker 127\.0\.0\.1:1: Connection refused/);
  }
});

test('a setting of the table defers the checks', async (t) => {
  await accepts(t, { brokers: '127.0.0.1:1', settings: 'kafka_check_on_create = 0' });
});

test('ATTACH, and CREATE IF NOT EXISTS of a table that exists, check nothing', async (t) => {
  for (const door of await useDoors(t, world.gateway)) {
    const engine = engineOf({ brokers: '127.0.0.1:1', settings: 'kafka_check_on_create = 0' });
    const ask = async (sql: string): Promise<void> => {
      const answer = await door.ask({ sql });
      t.is(answer.refusal?.text, undefined, sql);
    };
    await ask(`CREATE TABLE DB.q (a Int32) ${engine}`);
    await ask(`CREATE TABLE IF NOT EXISTS DB.q (a Int32) ${engineOf({ brokers: '127.0.0.1:1' })}`);
    await ask('DETACH TABLE DB.q');
    await ask('ATTACH TABLE DB.q');
    const again = await door.ask({ sql: `CREATE TABLE DB.q (a Int32) ${engineOf({ brokers: '127.0.0.1:1' })}` });
    t.is(again.refusal?.code, 57);
  }
});

test('a broker that says nothing is told when the time is over, and not much later', async (t) => {
  const silent = await usePeer(t, (socket) => void socket.resume());
  for (const [brokers, step] of [
    [silent.address, 'protocol'],
    ['192.0.2.1:9092', 'connect'],
  ] as const) {
    const startMs = Date.now();
    // Some networks answer for addresses that nobody has.
    const text = new RegExp(`step ${step} failed at broker ${brokers.replaceAll('.', '\\.')}: .*\\. `);
    const [door] = (await useDoors(t, world.gateway)) as [Door, Door];
    const { refusal } = await door.ask({ sql: `CREATE TABLE DB.q (a Int32) ${engineOf({ brokers })}` });
    t.regex(refusal?.text ?? '', text);
    t.true(Date.now() - startMs < LIMIT_MS * 5 + 5_000);
    if (step === 'protocol')
      t.regex(refusal?.text ?? '', /: no answer within 10000 ms\. Is this a port of Kafka's\? If this port speaks TLS/);
  }
  await waitFor(() => silent.sockets.size === 0);
});

test('nobody asks brokers any more for a client that is gone', async (t) => {
  const silent = await usePeer(t, (socket) => void socket.resume());
  for (const door of await useDoors(t, world.gateway)) {
    const running = await door.start({ sql: `CREATE TABLE q (a Int32) ${engineOf({ brokers: silent.address })}` });
    await waitFor(() => silent.sockets.size === 1);
    const startMs = Date.now();
    running.leave();
    await waitFor(() => silent.sockets.size === 0);
    t.true(Date.now() - startMs < LIMIT_MS * 3, door.name);
  }
});

interface Report {
  readonly table: string;
  readonly state: string;
  readonly exceptions: readonly { readonly time: string; readonly text: string }[];
}

/** A table that streams, in a database of its own; what the status says of it. */
async function useStreaming(t: ExecutionContext, table: Refused): Promise<() => Promise<Report>> {
  const database = await useDatabase(t);
  const post = async (sql: string): Promise<void> => {
    const answer = await fetch(`${world.gateway.url}/?database=${database}`, { method: 'POST', body: sql });
    t.is(await answer.text(), '');
  };
  const name = uniqueName(t, 'q');
  await post(`CREATE TABLE ${name} (a Int32) ${engineOf(table)}`);
  await post(`CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT a FROM ${name}`);
  const report = async (): Promise<Report> => {
    const status = (await (await fetch(`${world.gateway.adminUrl}/status`)).json()) as { tables: Report[] };
    const found = status.tables.find((one) => one.table === name);
    if (found === undefined) throw new Error('the table is not in the status');
    return found;
  };
  await waitFor(async () => (await report()).state === 'streaming');
  return report;
}

/** Waits until the status tells a failure like this as the last one, with its time, and that the table does not flow. */
async function tells(t: ExecutionContext, report: () => Promise<Report>, text: RegExp): Promise<void> {
  const sinceMs = Date.now();
  await waitFor(async () => text.test((await report()).exceptions.at(-1)?.text ?? ''), { message: String(text) });
  const { state, exceptions } = await report();
  t.is(state, 'retrying');
  t.true(Math.abs(Date.parse(exceptions.at(-1)?.time ?? '') - sinceMs) < 150_000);
}

test('a topic that is deleted later shows in the status, in the same words, until it is there again', async (t) => {
  const topic = await useTopic(t);
  const report = await useStreaming(t, { brokers: world.kafka.brokers, topic, group: uniqueName(t, 'group') });
  await world.kafka.deleteTopic(topic);
  await tells(
    t,
    report,
    new RegExp(`^step topic failed: Broker: Unknown topic or partition: ${topic} .*\\. Create it, or correct kafka_topic_list`),
  );
  await waitFor(async () => world.kafka.createTopic(topic).then(() => true));
  await waitFor(async () => (await report()).state === 'streaming');
  t.pass();
});

test('a broker that goes away, and credentials that are changed later, show in the status, in the same words, until all is well', async (t) => {
  const [port, sasl] = [await freePort(), await freePort()];
  const start = async (password: string): Promise<KafkaPart> => {
    const controller = await freePort();
    return startOwnKafka({
      port,
      properties: {
        'controller.quorum.voters': `1@127.0.0.1:${controller}`,
        listeners: `PLAINTEXT://127.0.0.1:${port},SASL://127.0.0.1:${sasl},CONTROLLER://127.0.0.1:${controller}`,
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},SASL://127.0.0.1:${sasl}`,
        'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
        'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.sasl.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_u="${password}";`,
      },
    });
  };
  let running = await start('before');
  t.teardown(async () => running.stop());
  await running.createTopic('t');
  const brokers = `127.0.0.1:${sasl}`;
  const report = await useStreaming(t, { brokers, settings: `${SASL}, kafka_sasl_username = 'u', kafka_sasl_password = 'before'` });
  await running.kill();
  await tells(t, report, /^step connect failed at broker 127\.0\.0\.1:\d+: Connection refused\. Check host and port in kafka_broker_list/);
  await running.stop();
  running = await start('after');
  await tells(t, report, /^step sasl failed.*: SASL Authentication failed: .*Invalid username or password\. Check .*kafka_sasl_password/);
  await running.stop();
  running = await start('before');
  await running.createTopic('t');
  await waitFor(async () => (await report()).state === 'streaming');
});

test('nobody has brokers asked who may not make the table', async (t) => {
  const silent = await usePeer(t, (socket) => void socket.resume());
  for (const door of await useDoors(t, world.gateway)) {
    const sql = `CREATE TABLE DB.q (a Int32) ${engineOf({ brokers: silent.address })}`;
    t.is((await door.ask({ sql, settings: { readonly: '1' } })).refusal?.code, 164);
    t.is((await door.ask({ sql, settings: { allow_ddl: '0' } })).refusal?.code, 392);
    t.is((await door.ask({ sql: sql.replace('DB.q', 'no_such_database.q') })).refusal?.code, 81);
  }
});

test.serial('the configuration defers the checks, and says how long they may take', async (t) => {
  const silent = await usePeer(t, (socket) => void socket.resume());
  const quick = await useGateway(t, { env: { SLUICE_KAFKA_CHECK_TIMEOUT_MS: '300ms' } });
  await refuses(
    t,
    { brokers: silent.address },
    210,
    /step protocol failed .*: no answer within 300 ms\. Is this a port of Kafka's\?/,
    quick,
  );
  const trusting = await useGateway(t, { env: { SLUICE_KAFKA_CHECK_ON_CREATE: 'off' } });
  await accepts(t, { brokers: silent.address }, trusting);
});
