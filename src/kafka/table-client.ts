import { hostname } from 'node:os';
import type { KafkaTableOptions, RoleProperties } from '../engine/index.ts';
import type { ClientOptions } from './client.ts';
import { connectionOf } from './connection.ts';

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
  return { brokers: options.brokers, clientId, security: properties, connection: connectionOf(properties) };
}
