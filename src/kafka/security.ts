import { hostname } from 'node:os';
import type { KafkaTableOptions } from '../engine/index.ts';
import type { ClientOptions } from './client.ts';
import type { KafkaSecurity } from './types.ts';

/** How the brokers of a table are reached, by a client that is named as the server's own engine names it. */
export function clientOf({
  options,
  database,
  table,
}: {
  readonly options: KafkaTableOptions;
  readonly database: string;
  readonly table: string;
}): ClientOptions {
  const clientId = options.clientId === '' ? `ClickHouse-${hostname()}-${database}-${table}` : options.clientId;
  return { brokers: options.brokers, clientId, security: securityOf(options) };
}

/** How the brokers of a table are spoken to. */
export function securityOf(options: KafkaTableOptions): KafkaSecurity {
  const protocol = options.securityProtocol.toUpperCase();
  const mechanism = options.saslMechanism.toLowerCase();
  const isSasl = protocol.startsWith('SASL') && (mechanism === 'plain' || mechanism === 'scram-sha-256' || mechanism === 'scram-sha-512');
  return {
    ...(protocol.endsWith('SSL') ? { ssl: true } : {}),
    ...(isSasl ? { sasl: { mechanism, username: options.saslUsername, password: options.saslPassword } } : {}),
  };
}
