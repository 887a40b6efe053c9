import { didYouMean } from '../suggestion.ts';
import { BOOLEAN, integer, oneOf, TEXT, type ValueType } from './value-types.ts';

/**
 * librdkafka's configuration properties by name (`security.protocol`; its CONFIGURATION.md), values as text: the one language of everything that says how brokers
 * are reached, wherever it was written.
 */
export type KafkaProperties = Readonly<Record<string, string>>;

/** What goes for consumers and for producers of a table, every source merged. */
export interface RoleProperties {
  readonly consumer: KafkaProperties;
  readonly producer: KafkaProperties;
}

const MAX_INT32 = 2 ** 31 - 1;

/** Names of `partitioner`. */
export const PARTITIONERS = ['consistent_random', 'consistent', 'murmur2_random', 'murmur2', 'fnv1a_random', 'fnv1a', 'random'] as const;

/** Properties that the gateway follows. */
export const WORKS: Readonly<Record<string, ValueType>> = {
  'metadata.broker.list': TEXT,
  'client.id': TEXT,
  'session.timeout.ms': integer(1, 3_600_000),
  'heartbeat.interval.ms': integer(1, 3_600_000),
  // `error` is for programs that do something about it.
  'auto.offset.reset': oneOf(['earliest', 'latest'], { smallest: 'earliest', beginning: 'earliest', largest: 'latest', end: 'latest' }),
  'isolation.level': oneOf(['read_committed', 'read_uncommitted']),
  'fetch.min.bytes': integer(1, 100_000_000),
  'fetch.wait.max.ms': integer(0, 300_000),
  'fetch.message.max.bytes': integer(1, 1_000_000_000),
  'fetch.max.bytes': integer(0, MAX_INT32 - 512),
  'topic.metadata.refresh.interval.ms': integer(-1, 3_600_000),
  'metadata.max.age.ms': integer(1, 86_400_000),
  'socket.timeout.ms': integer(10, 300_000),
  'socket.connection.setup.timeout.ms': integer(1000, MAX_INT32),
  'socket.keepalive.enable': BOOLEAN,
  'compression.codec': oneOf(['none', 'gzip', 'snappy', 'lz4', 'zstd']),
  'compression.level': integer(-1, 12),
  'transaction.timeout.ms': integer(1000, MAX_INT32),
  'message.max.bytes': integer(1000, 1_000_000_000),
  partitioner: oneOf(PARTITIONERS),
  'security.protocol': oneOf(['plaintext', 'ssl', 'sasl_plaintext', 'sasl_ssl']),
  'sasl.mechanism': TEXT,
  'sasl.username': TEXT,
  'sasl.password': TEXT,
  // Not librdkafka's: it has no AWS_MSK_IAM.
  'aws.region': TEXT,
  'enable.sasl.oauthbearer.unsecure.jwt': BOOLEAN,
  ...allOf(TEXT, [
    ...['config', 'method', 'client.id', 'client.secret', 'scope', 'extensions', 'token.endpoint.url', 'grant.type'].map(oauth),
    ...['key.location', 'key.password', 'key.pem', 'certificate.location', 'certificate.pem', 'ca.location', 'ca.pem'].map(ssl),
    ...['crl.location', 'keystore.location', 'keystore.password', 'cipher.suites', 'curves.list', 'sigalgs.list'].map(ssl),
    'https.ca.location',
    'https.ca.pem',
  ]),
  'enable.ssl.certificate.verification': BOOLEAN,
  'ssl.endpoint.identification.algorithm': oneOf(['none', 'https']),
};

/** Properties that mean nothing here, with what the gateway has or does in their place: sentences that follow the name. */
export const MEANS_NOTHING: Readonly<Record<string, string>> = {
  ...allOf("consumers have no poll to be late for; the table's kafka_flush_interval_ms and memory_budget say how much is under way", [
    'max.poll.interval.ms',
  ]),
  ...allOf('offsets are committed by the gateway, when ClickHouse has answered for every view', [
    'enable.auto.commit',
    'enable.auto.offset.store',
    'auto.commit.enable',
    'auto.commit.interval.ms',
    'offset.store.method',
    'offset.store.path',
    'offset.store.sync.interval.ms',
    'enable.partition.eof',
  ]),
  ...allOf('memory_budget limits what is read ahead, for all tables together', [
    'queued.min.messages',
    'queued.max.messages.kbytes',
    'fetch.queue.backoff.ms',
    'consume.callback.max.messages',
    'receive.message.max.bytes',
    'message.copy.max.bytes',
  ]),
  ...allOf('checksums of record batches are always checked', ['check.crcs']),
  ...allOf('messages are produced from the outbox, in transactions: batches are as large as they can be, acknowledged by all replicas', [
    'queue.buffering.max.ms',
    'queue.buffering.max.messages',
    'queue.buffering.max.kbytes',
    'queue.buffering.backpressure.threshold',
    'batch.num.messages',
    'batch.size',
    'request.required.acks',
    'enable.idempotence',
    'enable.gapless.guarantee',
    'transactional.id',
    'queuing.strategy',
    'sticky.partitioning.linger.ms',
    'delivery.report.only.error',
    'produce.offset.report',
  ]),
  ...allOf("rows stay in the outbox until they are sent; the table's kafka_delivery_timeout_ms says how long an INSERT waits", [
    'message.timeout.ms',
    'request.timeout.ms',
    'message.send.max.retries',
  ]),
  ...allOf('the gateway tries again by itself, with growing pauses', [
    'retry.backoff.ms',
    'retry.backoff.max.ms',
    'reconnect.backoff.ms',
    'reconnect.backoff.max.ms',
    'reconnect.backoff.jitter.ms',
    'fetch.error.backoff.ms',
    'socket.max.fails',
    'socket.blocking.max.ms',
    'coordinator.query.interval.ms',
    'metadata.recovery.strategy',
    'metadata.recovery.rebootstrap.trigger.ms',
    'topic.metadata.refresh.fast.interval.ms',
    'topic.metadata.refresh.fast.cnt',
    'topic.metadata.refresh.sparse',
    'topic.metadata.propagation.max.ms',
  ]),
  ...allOf('members of a group say how partitions are dealt out: range and round robin, of the classic protocol', [
    'partition.assignment.strategy',
    'group.instance.id',
    'group.protocol',
    'group.protocol.type',
    'group.remote.assignor',
  ]),
  ...allOf('topics are named by kafka_topic_list and not created', ['allow.auto.create.topics', 'topic.blacklist']),
  ...allOf('it is the setting log_level of the gateway that says what is logged', [
    'debug',
    'log_level',
    'log.queue',
    'log.thread.name',
    'log.connection.close',
    'enabled_events',
  ]),
  ...allOf('/status of the admin port has the figures', ['statistics.interval.ms', 'enable.metrics.push']),
  ...allOf('partitions are fetched from their leaders', ['client.rack']),
  ...allOf('connections are made and kept by Node.js', [
    'max.in.flight.requests.per.connection',
    'socket.send.buffer.bytes',
    'socket.receive.buffer.bytes',
    'socket.nagle.disable',
    'broker.address.ttl',
    'broker.address.family',
    'connections.max.idle.ms',
    'client.dns.lookup',
  ]),
  ...allOf('Kafka 0.11 or later is taken for granted', [
    'api.version.request',
    'api.version.request.timeout.ms',
    'api.version.fallback.ms',
    'broker.version.fallback',
  ]),
  ...allOf('Kerberos is not spoken: use another SASL mechanism or client certificates', [
    'sasl.kerberos.service.name',
    'sasl.kerberos.principal',
    'sasl.kerberos.kinit.cmd',
    'sasl.kerberos.keytab',
    'sasl.kerberos.min.time.before.relogin',
  ]),
  ...allOf('tokens are got with client credentials: give sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret', [
    ...['algorithm', 'private.key.file', 'private.key.passphrase', 'private.key.pem', 'file', 'jwt.template.file'].map(assertion),
    ...['claim.aud', 'claim.exp.seconds', 'claim.iss', 'claim.jti.include', 'claim.nbf.seconds', 'claim.sub'].map(assertion),
    oauth('metadata.authentication.type'),
  ]),
  ...allOf('AWS_MSK_IAM takes the credentials of the environment', ['use.environment.credentials']),
  ...allOf('keys and certificates are given as files or as PEM', [
    'ssl.engine.location',
    'ssl.engine.id',
    'ssl.providers',
    'ssl.ca.certificate.stores',
  ]),
  ...allOf('it is of the library', [
    'builtin.features',
    'plugin.library.paths',
    'interceptors',
    'internal.termination.signal',
    'enable.random.seed',
    'client.software.name',
    'client.software.version',
  ]),
};

/** Properties that must not be given, and why. */
export const REFUSED: Readonly<Record<string, string>> = {
  'group.id': 'each table names its group in kafka_group_name',
};

/** Other names of a property. One name stands in what the gateway works with, so that the later source wins whatever it calls the property. */
export const ALIASES: Readonly<Record<string, string>> = {
  'bootstrap.servers': 'metadata.broker.list',
  'sasl.mechanisms': 'sasl.mechanism',
  'max.in.flight': 'max.in.flight.requests.per.connection',
  'max.partition.fetch.bytes': 'fetch.message.max.bytes',
  'compression.type': 'compression.codec',
  'linger.ms': 'queue.buffering.max.ms',
  retries: 'message.send.max.retries',
  acks: 'request.required.acks',
  'delivery.timeout.ms': 'message.timeout.ms',
  [oauth('client.credentials.client.id')]: oauth('client.id'),
  [oauth('client.credentials.client.secret')]: oauth('client.secret'),
};

function oauth(name: string): string {
  return `sasl.oauthbearer.${name}`;
}

function assertion(name: string): string {
  return oauth(`assertion.${name}`);
}

function ssl(name: string): string {
  return `ssl.${name}`;
}

function allOf<T>(value: T, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, value]));
}

const KNOWN = [WORKS, MEANS_NOTHING, REFUSED, ALIASES].flatMap((table) => Object.keys(table));

export type CheckedProperty =
  /** `name`: the one the gateway works with. */
  | { readonly kind: 'works'; readonly name: string; readonly value: string }
  /** `instead` follows the name. */
  | { readonly kind: 'means-nothing'; readonly name: string; readonly instead: string }
  /** `problem` is a sentence without the value. */
  | { readonly kind: 'wrong'; readonly problem: string };

/** Looks at a property as it was written, with dots or, as in the server's files, with underscores; `origin` says where, in words that follow "from". */
export function checkProperty(written: string, text: string, origin: string): CheckedProperty {
  const dotted = Object.hasOwn(MEANS_NOTHING, written) ? written : written.replaceAll('_', '.');
  const name = own(ALIASES, dotted) ?? dotted;
  const instead = own(MEANS_NOTHING, name);
  if (instead !== undefined) return { kind: 'means-nothing', name: dotted, instead };
  const refusal = own(REFUSED, name);
  if (refusal !== undefined) return { kind: 'wrong', problem: `The Kafka property ${written} from ${origin} cannot be given: ${refusal}.` };
  const type = own(WORKS, name);
  if (type === undefined) {
    const suggestion = didYouMean(dotted, KNOWN, 'it must be one of those of librdkafka (its CONFIGURATION.md).');
    return { kind: 'wrong', problem: `Unknown Kafka property ${written} from ${origin}: ${suggestion}` };
  }
  const value = type.parse(text);
  if (value !== undefined) return { kind: 'works', name, value };
  const shown = isSecretProperty(name) ? '***' : `'${text}'`;
  return { kind: 'wrong', problem: `The Kafka property ${written}: ${shown} from ${origin} must be ${type.allowed}.` };
}

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** Whether a property's value must never be shown. */
export function isSecretProperty(name: string): boolean {
  return /password|secret|passphrase|key\.pem$|oauthbearer\.config$/.test(name);
}

/** A property that is a number; undefined when it is not given. */
export function numberOf(properties: KafkaProperties, name: string): number | undefined {
  const text = properties[name];
  return text === undefined ? undefined : Number(text);
}
