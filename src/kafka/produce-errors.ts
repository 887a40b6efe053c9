import { describeKafkaError, innermost, KafkaError } from './errors.ts';
import type { TopicPartition } from './types.ts';

/**
 * - `fenced`: another producer with the same transactional id has come.
 * - `too-large`: the broker takes no batch of that size: a message is too large when it was alone in its batch (`recordCount`).
 * - `rejected`: the broker does not take a message for what it is, such as one without key in a compacted topic.
 * - `unknown-topic`: there is no such topic, or partition.
 * - `unauthorized`, `unsupported`: it cannot work before somebody changes the brokers' settings or ours.
 * - `unknown-outcome`: the transaction was committed or not.
 * - `retriable`: everything else; a new producer may do better.
 */
export type ProduceErrorKind =
  'fenced' | 'too-large' | 'rejected' | 'unknown-topic' | 'unauthorized' | 'unsupported' | 'unknown-outcome' | 'retriable';

/** Why messages were not delivered: one sentence, in librdkafka's words. */
export class KafkaProduceError extends KafkaError {
  readonly kind: ProduceErrorKind;
  readonly topic: string | undefined;
  readonly partition: number | undefined;
  /** Messages in the batch that the broker refused; undefined when it was not about one. */
  readonly recordCount: number | undefined;

  constructor(kind: ProduceErrorKind, cause: unknown, at?: TopicPartition, recordCount?: number) {
    super(cause);
    this.kind = kind;
    this.topic = at?.topic;
    this.partition = at?.partition;
    this.recordCount = recordCount;
  }
}

/** Where something failed; `detail` are the broker's own words. */
export interface FailedAt extends TopicPartition {
  readonly recordCount?: number;
  readonly detail?: string;
}

/** The error for whatever was thrown. */
export function produceError(error: unknown, at?: FailedAt): KafkaProduceError {
  if (error instanceof KafkaProduceError) return error;
  const where = at === undefined ? '' : ` (topic ${at.topic}, partition ${at.partition})`;
  const detail = at?.detail === undefined || at.detail === '' ? '' : `: ${at.detail}`;
  return new KafkaProduceError(kindOf(error), new Error(describeKafkaError(error) + where + detail, { cause: error }), at, at?.recordCount);
}

const KINDS: Readonly<Record<string, ProduceErrorKind>> = {
  INVALID_PRODUCER_EPOCH: 'fenced',
  PRODUCER_FENCED: 'fenced',
  MESSAGE_TOO_LARGE: 'too-large',
  RECORD_LIST_TOO_LARGE: 'too-large',
  INVALID_RECORD: 'rejected',
  INVALID_TIMESTAMP: 'rejected',
  POLICY_VIOLATION: 'rejected',
  UNKNOWN_TOPIC_OR_PARTITION: 'unknown-topic',
  INVALID_TOPIC_EXCEPTION: 'unknown-topic',
  TOPIC_AUTHORIZATION_FAILED: 'unauthorized',
  CLUSTER_AUTHORIZATION_FAILED: 'unauthorized',
  GROUP_AUTHORIZATION_FAILED: 'unauthorized',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'unauthorized',
  SASL_AUTHENTICATION_FAILED: 'unauthorized',
  ILLEGAL_SASL_STATE: 'unauthorized',
  UNSUPPORTED_VERSION: 'unsupported',
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 'unsupported',
  UNSUPPORTED_COMPRESSION_TYPE: 'unsupported',
  UNSUPPORTED_SASL_MECHANISM: 'unsupported',
  INVALID_TRANSACTION_TIMEOUT: 'unsupported',
  OFFSET_METADATA_TOO_LARGE: 'unsupported',
  INVALID_GROUP_ID: 'unsupported',
};

function kindOf(error: unknown): ProduceErrorKind {
  const { name, type } = innermost(error);
  if (name === 'KafkaJSSASLAuthenticationError') return 'unauthorized';
  if (name === 'KafkaJSServerDoesNotSupportApiKey') return 'unsupported';
  return KINDS[String(type)] ?? 'retriable';
}

/** The broker answered, and said no. */
export function isAnswer(error: unknown): boolean {
  return typeof innermost(error).type === 'string';
}

/** The wait for an answer was given up. */
export class NoAnswer extends Error {
  constructor(timeoutMs: number) {
    super(`Local: Timed out: no answer within ${timeoutMs} ms`);
  }
}

/** So long a failure that may pass is put up with. */
const PATIENCE_MS = 12_000;
/** So long an answer is waited for: longer than the patience, so that the failure is told that the patience ended with. */
export const ANSWER_WITHIN_MS = 15_000;
/** A topic that was just made is not known to every broker yet. */
const UNKNOWN_TOPIC_PATIENCE_MS = 3000;

const PASSING_ERRORS: readonly unknown[] = [
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'BROKER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'REQUEST_TIMED_OUT',
  'NETWORK_EXCEPTION',
  'CORRUPT_MESSAGE',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'KAFKA_STORAGE_ERROR',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'CONCURRENT_TRANSACTIONS',
  'UNSTABLE_OFFSET_COMMIT',
];

const PASSING_FAILURES: readonly string[] = [
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSLockTimeout',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
];

/** How long it is worth while to try again what fails with this error; 0: not at all. */
export function patienceMs(error: unknown): number {
  const { name, type } = innermost(error);
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return UNKNOWN_TOPIC_PATIENCE_MS;
  return PASSING_ERRORS.includes(type) || PASSING_FAILURES.includes(name) ? PATIENCE_MS : 0;
}
