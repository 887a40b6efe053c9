import type { ConnectionOptions } from 'node:tls';
import type { Mechanism, SASLOptions } from 'kafkajs';
import type { KafkaProperties } from '../engine/index.ts';
import { oneOf } from './property-values.ts';
import { AWS_MSK_IAM, mechanismOf, saslOf } from './sasl.ts';
import { tlsOptions } from './tls.ts';

/** What connections to brokers take. */
export interface Security {
  /** Absent: no TLS. Reads files at every call, and throws `KafkaError` when one of them cannot be used. */
  readonly tls?: () => ConnectionOptions;
  readonly sasl?: Mechanism | SASLOptions;
}

const PROTOCOLS = ['plaintext', 'ssl', 'sasl_plaintext', 'sasl_ssl'] as const;

/** How brokers are spoken to by a client with these properties of librdkafka. Throws `KafkaError` for protocols, mechanisms and credentials that cannot work. */
export function securityOf(properties: KafkaProperties, brokers: readonly string[]): Security {
  const protocol = protocolOf(properties);
  return {
    ...(protocol.endsWith('ssl') && { tls: () => tlsOptions(properties) }),
    ...(protocol.startsWith('sasl') && { sasl: saslOf(properties, brokers) }),
  };
}

function protocolOf(properties: KafkaProperties): (typeof PROTOCOLS)[number] {
  const protocol = oneOf(properties, 'security.protocol', PROTOCOLS, 'plaintext');
  // MSK knows IAM over TLS only; the server's own engine does not ask for the protocol either.
  return mechanismOf(properties) === AWS_MSK_IAM ? 'sasl_ssl' : protocol;
}

/** Throws `KafkaError`, whose message is a sentence, for properties with which no broker can be reached; files are read, nothing is connected to. */
export function checkProperties(properties: KafkaProperties, brokers: readonly string[]): void {
  securityOf(properties, brokers).tls?.();
}
