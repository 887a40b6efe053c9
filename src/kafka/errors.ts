/**
 * An error of Kafka's as one sentence, in librdkafka's words where it has some, without stack: the innermost reason with the broker it came
 * from. Anything else that was thrown is told by its message.
 */
export function describeKafkaError(error: unknown): string {
  const reason = innermost(error);
  return fromBroker(reason) ?? fromTransport(reason) ?? messageOf(reason);
}

/** A failure of the Kafka client with a plain sentence as message; kafkajs' own error is the cause. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError';

  constructor(cause: unknown, prefix = '') {
    super(prefix + describeKafkaError(cause), { cause });
  }
}

/** What kafkajs' errors may carry. */
export interface ErrorFields {
  readonly name: string;
  readonly message: string;
  readonly type?: unknown;
  readonly code?: unknown;
  readonly broker?: unknown;
  readonly cause?: unknown;
}

export function errorFields(error: unknown): ErrorFields {
  return error instanceof Error ? error : { name: 'Error', message: String(error) };
}

/** kafkajs wraps the error that used up the retries, now and then twice. */
export function innermost(error: unknown): ErrorFields {
  const fields = errorFields(error);
  if (fields.name === 'KafkaError' || !(fields.cause instanceof Error)) return fields;
  return fields.name.startsWith('KafkaJS') ? innermost(fields.cause) : fields;
}

// Source: rd_kafka_err_descs in librdkafka's src/rdkafka.c.
const BROKER_ERRORS: Readonly<Record<string, string>> = {
  UNKNOWN: 'Unknown error',
  OFFSET_OUT_OF_RANGE: 'Offset out of range',
  CORRUPT_MESSAGE: 'Invalid message',
  UNKNOWN_TOPIC_OR_PARTITION: 'Unknown topic or partition',
  LEADER_NOT_AVAILABLE: 'Leader not available',
  NOT_LEADER_FOR_PARTITION: 'Not leader for partition',
  REQUEST_TIMED_OUT: 'Request timed out',
  RECORD_LIST_TOO_LARGE: 'Message batch larger than configured server segment size',
  NOT_ENOUGH_REPLICAS: 'Not enough in-sync replicas',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'Message(s) written to insufficient number of in-sync replicas',
  INVALID_TIMESTAMP: 'Invalid timestamp',
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 'Message format on broker does not support request',
  POLICY_VIOLATION: 'Policy violation',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'Broker received an out of order sequence number',
  DUPLICATE_SEQUENCE_NUMBER: 'Broker received a duplicate sequence number',
  INVALID_PRODUCER_EPOCH: 'Producer attempted an operation with an old epoch',
  INVALID_TXN_STATE: 'Producer attempted a transactional operation in an invalid state',
  INVALID_PRODUCER_ID_MAPPING: 'Producer attempted to use a producer id which is not currently assigned to its transactional id',
  INVALID_TRANSACTION_TIMEOUT: "Transaction timeout is larger than the maximum value allowed by the broker's max.transaction.timeout.ms",
  CONCURRENT_TRANSACTIONS:
    'Producer attempted to update a transaction while another concurrent operation on the same transaction was ongoing',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'Transactional Id authorization failed',
  KAFKA_STORAGE_ERROR: 'Disk error when trying to access log file on disk',
  UNKNOWN_PRODUCER_ID: 'Unknown Producer Id',
  UNSUPPORTED_COMPRESSION_TYPE: 'Unsupported compression type',
  INVALID_RECORD: 'Broker failed to validate record',
  BROKER_NOT_AVAILABLE: 'Broker not available',
  REPLICA_NOT_AVAILABLE: 'Replica not available',
  MESSAGE_TOO_LARGE: 'Message size too large',
  OFFSET_METADATA_TOO_LARGE: 'Offset metadata string too large',
  NETWORK_EXCEPTION: 'Broker disconnected before response received',
  GROUP_LOAD_IN_PROGRESS: 'Coordinator load in progress',
  GROUP_COORDINATOR_NOT_AVAILABLE: 'Coordinator not available',
  NOT_COORDINATOR_FOR_GROUP: 'Not coordinator',
  INVALID_TOPIC_EXCEPTION: 'Invalid topic',
  ILLEGAL_GENERATION: 'Specified group generation id is not valid',
  INCONSISTENT_GROUP_PROTOCOL: 'Inconsistent group protocol',
  INVALID_GROUP_ID: 'Invalid group.id',
  UNKNOWN_MEMBER_ID: 'Unknown member',
  INVALID_SESSION_TIMEOUT: 'Invalid session timeout',
  REBALANCE_IN_PROGRESS: 'Group rebalance in progress',
  INVALID_COMMIT_OFFSET_SIZE: 'Commit offset data size is not valid',
  TOPIC_AUTHORIZATION_FAILED: 'Topic authorization failed',
  GROUP_AUTHORIZATION_FAILED: 'Group authorization failed',
  CLUSTER_AUTHORIZATION_FAILED: 'Cluster authorization failed',
  UNSUPPORTED_SASL_MECHANISM: 'Unsupported SASL mechanism',
  ILLEGAL_SASL_STATE: 'Request not valid in current SASL state',
  UNSUPPORTED_VERSION: 'API version not supported',
  SASL_AUTHENTICATION_FAILED: 'SASL Authentication failed',
  FENCED_LEADER_EPOCH: 'Leader epoch is older than broker epoch',
  UNKNOWN_LEADER_EPOCH: 'Leader epoch is newer than broker epoch',
  GROUP_MAX_SIZE_REACHED: 'Consumer group has reached maximum size',
  FENCED_INSTANCE_ID: 'Static consumer fenced by other consumer with same group.instance.id',
  UNSTABLE_OFFSET_COMMIT: 'There are unstable offsets that need to be cleared',
};

function fromBroker({ type, message }: ErrorFields): string | undefined {
  if (typeof type !== 'string') return undefined;
  const text = BROKER_ERRORS[type];
  return text === undefined ? `Broker: ${message}` : `Broker: ${text}`;
}

/** Words for the system's codes. */
export const REFUSALS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  ETIMEDOUT: 'Connection timed out',
  EPIPE: 'Broken pipe',
};

/** The system's codes when a name cannot be resolved. */
export const RESOLUTION_FAILURES: readonly unknown[] = ['ENOTFOUND', 'EAI_AGAIN'];

function fromTransport(error: ErrorFields): string | undefined {
  const { name, code, message } = error;
  if (RESOLUTION_FAILURES.includes(code)) return `Local: Host resolution failure: ${at(error)}${detail(message)}`;
  if (name === 'KafkaJSSASLAuthenticationError') return `Local: Authentication failure: ${message}`;
  if (name === 'KafkaJSRequestTimeoutError' || name === 'KafkaJSLockTimeout') return `Local: Timed out: ${at(error)}${message}`;
  if (name === 'KafkaJSNoBrokerAvailableError') return 'Local: All broker connections are down';
  if (!['KafkaJSConnectionError', 'KafkaJSConnectionClosedError'].includes(name)) return undefined;
  if (NOT_TRIED.test(message)) return message.replace(NOT_TRIED, '');
  if (isTlsFailure(error)) return `Local: SSL error: ${at(error)}${alertOf(message) ?? detail(message)}`;
  return `Local: Broker transport failure: ${at(error)}${REFUSALS[String(code)] ?? detail(message)}`;
}

/** kafkajs' words around what a client's own `brokers` and socket factory throw: nothing was sent to anybody. */
const NOT_TRIED = /^Failed to connect: (?:"config\.brokers" threw: )?/;

/** What a broker says when it ends a handshake stands in the middle of OpenSSL's words. */
function alertOf(message: string): string | undefined {
  const [, alert] = /:\w+ alert ([^:]+):.*SSL alert number \d+/s.exec(message) ?? [];
  if (alert === undefined) return undefined;
  const isAboutCertificate = /certificate|unknown ca/.test(alert);
  return `the broker ended the handshake: ${alert}${isAboutCertificate ? ', it wants a client certificate that it trusts (ssl.certificate.*, ssl.key.*)' : ''}`;
}

function at({ broker }: ErrorFields): string {
  return typeof broker === 'string' ? `${broker}: ` : '';
}

function detail(message: string): string {
  return message.replace(/^Connection error: /, '');
}

/** The certificate, or anything else of the TLS handshake. */
export function isTlsFailure({ code, message }: ErrorFields): boolean {
  if (typeof code === 'string' && /SSL|TLS|CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) return true;
  return code === 'EPROTO' || message.includes('before secure TLS connection');
}

function messageOf({ message, name }: ErrorFields): string {
  return message === '' ? name : message;
}
