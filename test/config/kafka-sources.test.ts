import test from 'ava';
import { loadConfig, printableConfig, type Config } from '../../src/config/index.ts';
import { propertiesOf } from '../../src/librdkafka/index.ts';

const ENV = { SLUICE_CONFIG: '/sluice.yaml', KAFKA_PASSWORD: 'from the environment' };

function read(files: Readonly<Record<string, string>>): Config | readonly string[] {
  const readFile = (path: string): string => files[path] ?? (path === '/sluice.yaml' ? '' : fail(path));
  const env = '/server.xml' in files ? { ...ENV, SLUICE_KAFKA_CONFIG_FILE: '/server.xml' } : ENV;
  const result = loadConfig({ argv: [], env, readFile });
  if (result.kind === 'config') return result.config;
  return result.kind === 'problems' ? result.problems : fail(result.kind);
}

function fail(what: string): never {
  throw new Error(`unexpected ${what}`);
}

function load(files: Readonly<Record<string, string>>): Config {
  const config = read(files);
  return 'kafka' in config ? config : fail(config.join('\n'));
}

function problems(files: Readonly<Record<string, string>>): readonly string[] {
  const config = read(files);
  return 'kafka' in config ? [] : config;
}

const YAML = `
kafka:
  security_protocol: SASL_SSL
  sasl.mechanisms: PLAIN
  sasl.password: {from_env: KAFKA_PASSWORD}
  socket.keepalive.enable: 1
  client.id: global
  consumer:
    fetch.min.bytes: 5
    auto.offset.reset: smallest
  producer: {compression.type: zstd}
  topics:
    readings.raw:
      client.id: of the topic
      auto_offset_reset: latest
      consumer: {client.id: consumer of the topic}
`;

test('the kafka section takes the names of librdkafka with dots or underscores, and one spelling of each comes out', (t) => {
  const { consumer, producer } = propertiesOf(load({ '/sluice.yaml': YAML }).kafka, ['other']);
  const shared = {
    'security.protocol': 'sasl_ssl',
    'sasl.mechanism': 'PLAIN',
    'sasl.password': 'from the environment',
    'socket.keepalive.enable': 'true',
    'client.id': 'global',
  };
  t.deepEqual(consumer, { ...shared, 'fetch.min.bytes': '5', 'auto.offset.reset': 'earliest' });
  t.deepEqual(producer, { ...shared, 'compression.codec': 'zstd' });
});

test('what a role says wins over what a topic says, and a topic of the role over both', (t) => {
  const { consumer, producer } = propertiesOf(load({ '/sluice.yaml': YAML }).kafka, ['other', 'readings.raw']);
  t.is(consumer['client.id'], 'consumer of the topic');
  t.is(producer['client.id'], 'of the topic');
  t.is(consumer['auto.offset.reset'], 'earliest');
});

const XML = `<?xml version="1.0"?>
<clickhouse>
  <kafka replace="replace">
    <!-- as it is -->
    <client_id>global</client_id>
    <sasl_password from_env="KAFKA_PASSWORD"/>
    <ssl_ca_pem>-----BEGIN &amp; END-----
second line</ssl_ca_pem>
    <debug>all</debug>
    <kafka_topic><name>a</name><client_id>of a</client_id></kafka_topic>
    <kafka_topic><name>b</name><client_id>of b</client_id></kafka_topic>
    <kafka_b><client_id>of b, in the old way</client_id></kafka_b>
    <consumer>
      <session_timeout_ms>7000</session_timeout_ms>
      <kafka_topic><name>c</name><client_id>of c's consumer</client_id></kafka_topic>
      <kafka_a><client_id>nobody reads this</client_id></kafka_a>
    </consumer>
    <producer><client_id>producer</client_id></producer>
    <fetch_min_bytes remove="1"/>
  </kafka>
  <named_collections>
    <kafka_one>
      <kafka_broker_list overridable="false">h:1</kafka_broker_list>
      <kafka_topic_list overridable="1">t</kafka_topic_list>
      <kafka_sasl_password from_env="KAFKA_PASSWORD"/>
      <kafka><fetch_min_bytes>9</fetch_min_bytes></kafka>
    </kafka_one>
    <for_s3><url>https://x</url><secret from_zk="/x"/></for_s3>
  </named_collections>
  <macros incl="macros"/>
</clickhouse>`;

test("a ClickHouse server's XML file is read as it is, in the server's order", (t) => {
  const { kafka, meaninglessProperties } = load({ '/server.xml': XML });
  const clientId = (topic: string): string | undefined => propertiesOf(kafka, [topic]).consumer['client.id'];
  t.deepEqual(['other', 'a', 'b', 'c'].map(clientId), ['global', 'of a', 'of b, in the old way', "of c's consumer"]);
  const { consumer, producer } = propertiesOf(kafka, ['a']);
  t.is(producer['client.id'], 'producer');
  t.is(consumer['sasl.password'], 'from the environment');
  t.is(consumer['ssl.ca.pem'], '-----BEGIN & END-----\nsecond line');
  t.is(consumer['session.timeout.ms'], '7000');
  t.is(consumer['fetch.min.bytes'], undefined);
  t.deepEqual(
    meaninglessProperties.map(({ name }) => name),
    ['debug'],
  );
});

test("named collections come from the same file, those of other engines are none of the gateway's business", (t) => {
  const { namedCollections } = load({ '/server.xml': XML });
  t.deepEqual([...namedCollections.keys()], ['kafka_one']);
  const collection = namedCollections.get('kafka_one');
  t.deepEqual(collection?.values, { kafka_broker_list: 'h:1', kafka_topic_list: 't', kafka_sasl_password: 'from the environment' });
  t.deepEqual(collection?.overridable, { kafka_broker_list: false, kafka_topic_list: true });
  t.deepEqual(collection?.kafka?.shared.properties, { 'fetch.min.bytes': '9' });
});

test("a server's YAML file is read as well, lists and attributes in its manner", (t) => {
  const yaml = `
kafka:
  client_id: global
  sasl_password:
    '@from_env': KAFKA_PASSWORD
  kafka_topic:
    - {name: a, client_id: of a}
    - {name: b, client_id: of b}
named_collections:
  nc:
    kafka_group_name: {'@overridable': 0, '#text': g}
`;
  const { kafka, namedCollections } = load({ '/server.xml': yaml });
  t.is(propertiesOf(kafka, ['b']).consumer['client.id'], 'of b');
  t.is(propertiesOf(kafka, []).consumer['sasl.password'], 'from the environment');
  t.deepEqual(namedCollections.get('nc')?.overridable, { kafka_group_name: false });
});

test("the gateway's own file wins over the server's", (t) => {
  const own = 'kafka: {client.id: own, consumer: {session.timeout.ms: 8000}}\nnamed_collections: {kafka_one: {kafka_topic_list: own}}\n';
  const { kafka, namedCollections } = load({ '/server.xml': XML, '/sluice.yaml': own });
  const { consumer } = propertiesOf(kafka, ['other']);
  t.is(consumer['client.id'], 'own');
  t.is(consumer['session.timeout.ms'], '8000');
  t.is(consumer['sasl.password'], 'from the environment');
  t.deepEqual(namedCollections.get('kafka_one')?.values, { kafka_topic_list: 'own' });
});

test('every mistake is told with its place, and no secret', (t) => {
  const yaml = `kafka:
  secuity.protocol: ssl
  session.timeout.ms: soon
  security.protocol: tls
  group.id: mine
  sasl.password: {from_env: NO_SUCH_VARIABLE}
  acks: {a: 1}
  consumer: 5
  enable.ssl.certificate.verification: hunter2
named_collections: 7
kafak: {}
`;
  t.deepEqual(problems({ '/sluice.yaml': yaml }), [
    'named_collections in /sluice.yaml line 10 must be a section: names with values, one a line, below it.',
    "Unknown setting 'kafak' in /sluice.yaml line 11: did you mean kafka?",
    'from_env from /sluice.yaml line 6: the environment variable NO_SUCH_VARIABLE is not set.',
    'Unknown Kafka property secuity.protocol from /sluice.yaml line 2: did you mean security.protocol?',
    "The Kafka property session.timeout.ms: 'soon' from /sluice.yaml line 3 must be a whole number from 1 to 3600000.",
    "The Kafka property security.protocol: 'tls' from /sluice.yaml line 4 must be one of plaintext, ssl, sasl_plaintext, sasl_ssl.",
    'The Kafka property group.id from /sluice.yaml line 5 cannot be given: each table names its group in kafka_group_name.',
    'The Kafka property acks from /sluice.yaml line 7 must be one plain value.',
    'consumer from /sluice.yaml line 8 must hold properties, one a line.',
    "The Kafka property enable.ssl.certificate.verification: 'hunter2' from /sluice.yaml line 9 must be true or false.",
  ]);
});

for (const [title, file, problem] of [
  [
    'values that only the server can look up',
    '<c><kafka><sasl_password from_zk="/p"/></kafka></c>',
    /^The element from \/server\.xml line 1 has the attribute from_zk, which the gateway does not read: write its value, or/,
  ],
  ['XML that ends early', '<c>\n<kafka>', /^kafka_config_file: \/server\.xml line \d is not valid XML: /],
  [
    'XML with an entity of another file',
    '<!DOCTYPE c [<!ENTITY e SYSTEM "/etc/passwd">]><c><kafka>&e;</kafka></c>',
    /not valid XML: entity not found:&e;/,
  ],
  ['a file without what is looked for', '<c><users/></c>', /holds neither kafka nor named_collections: name the file that does/],
  ['YAML that is none', 'kafka: {', /^kafka_config_file: \/server\.xml line \d is not valid YAML/],
  [
    'a topic without name',
    '<c><kafka><kafka_topic><client_id>x</client_id></kafka_topic></kafka></c>',
    /kafka_topic from .* needs the name of its topic/,
  ],
] as const) {
  test(`a server's file is refused for ${title}`, (t) => {
    const [told = '', ...more] = problems({ '/server.xml': file });
    t.regex(told, problem);
    t.deepEqual(more, []);
  });
}

test('properties that mean nothing here are listed once, under the names they were given, with what replaces them', (t) => {
  const yaml = 'kafka: {linger.ms: 5, consumer: {max_poll_interval_ms: 1, log_level: 3}, producer: {linger.ms: 6, acks: all}}\n';
  const { meaninglessProperties } = load({ '/sluice.yaml': yaml });
  t.deepEqual(
    meaninglessProperties.map(({ name }) => name),
    ['linger.ms', 'max.poll.interval.ms', 'log_level', 'acks'],
  );
  for (const { instead } of meaninglessProperties) t.true(instead.length > 0);
});

test('the log shows the sections, secrets as *** and of collections the names alone', (t) => {
  const yaml = `kafka: {sasl.password: hunter2, sasl.oauthbearer.client.secret: hunter2, ssl.key.pem: hunter2, sasl.oauthbearer.token.endpoint.url: "https://u:hunter2@h", topics: {a: {ssl.key.password: hunter2}}}
named_collections: {nc: {kafka_sasl_password: hunter2, kafka: {sasl.password: hunter2}}}
`;
  const shown = printableConfig(load({ '/sluice.yaml': yaml }));
  t.notRegex(JSON.stringify(shown), /hunter2/);
  t.like(shown, { kafka: { 'sasl.password': '***', topics: [{ name: 'a', 'ssl.key.password': '***' }] }, named_collections: ['nc'] });
});
