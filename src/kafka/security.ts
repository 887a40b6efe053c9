import { hostname } from 'node:os';
import type { KafkaProperties, KafkaTableOptions, RoleProperties } from '../engine/index.ts';
import type { ClientOptions } from './client.ts';
import { connectionOf } from './connection.ts';
import type { KafkaSecurity } from './types.ts';

/** How the brokers of a table are reached by a consumer or a producer of it, a client that is named as the server's own engine names it. */
export function clientOf(
  {
    options,
    database,
    table,
  }: {
    readonly options: KafkaTableOptions;
    readonly database: string;
    readonly table: string;
  },
  role: keyof RoleProperties,
): ClientOptions {
  const clientId = options.clientId === '' ? `ClickHouse-${hostname()}-${database}-${table}` : options.clientId;
  const properties = options.properties[role];
  return { brokers: options.brokers, clientId, security: securityOf(properties), connection: connectionOf(properties) };
}

/** How brokers are spoken to by a client with these properties of librdkafka. */
export function securityOf(properties: KafkaProperties): KafkaSecurity {
  const protocol = (properties['security.protocol'] ?? '').toUpperCase();
  const mechanism = (properties['sasl.mechanism'] ?? '').toLowerCase();
  const isSasl = protocol.startsWith('SASL') && (mechanism === 'plain' || mechanism === 'scram-sha-256' || mechanism === 'scram-sha-512');
  const credentials = { username: properties['sasl.username'] ?? '', password: properties['sasl.password'] ?? '' };
  return {
    ...(protocol.endsWith('SSL') ? { ssl: true } : {}),
    ...(isSasl ? { sasl: { mechanism, ...credentials } } : {}),
  };
}
