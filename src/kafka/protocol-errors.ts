import { createRequire } from 'node:module';

// Source: https://kafka.apache.org/protocol#protocol_error_codes
export const OFFSET_OUT_OF_RANGE = 1;
export const UNKNOWN_TOPIC = 3;
export const LEADER_NOT_AVAILABLE = 5;
export const MESSAGE_TOO_LARGE = 10;
export const TOPIC_AUTHORIZATION_FAILED = 29;
export const GROUP_AUTHORIZATION_FAILED = 30;
export const UNSUPPORTED_SASL_MECHANISM = 33;
export const UNSUPPORTED_VERSION = 35;
export const DUPLICATE_SEQUENCE_NUMBER = 46;
export const UNSUPPORTED_COMPRESSION_TYPE = 76;
const UNKNOWN_TOPIC_ID = 100;
const INCONSISTENT_TOPIC_ID = 103;

const { createErrorFromCode } = createRequire(import.meta.url)('kafkajs/src/protocol/error') as {
  createErrorFromCode: (code: number) => Error;
};

/** kafkajs' error for an error code of the protocol. */
export function brokerError(code: number): Error {
  return createErrorFromCode(code);
}

/** The code that kafkajs knows for one that it does not: a topic id that is no topic's (any more) is a topic that does not exist. */
export function knownErrorCode(code: number): number {
  return code === UNKNOWN_TOPIC_ID || code === INCONSISTENT_TOPIC_ID ? UNKNOWN_TOPIC : code;
}
