import { numberOf, type KafkaProperties } from '../librdkafka/index.ts';
import type { ConnectionOptions } from './types.ts';

/** The longest that a broker is asked to wait before it answers a fetch, unless a property says otherwise. */
export const MAX_FETCH_WAIT_MS = 500;

/** What these properties of librdkafka say about connections. */
export function connectionOf(properties: KafkaProperties): ConnectionOptions {
  const setupTimeoutMs = numberOf(properties, 'socket.connection.setup.timeout.ms');
  const socketTimeoutMs = numberOf(properties, 'socket.timeout.ms');
  const fetchWaitMs = numberOf(properties, 'fetch.wait.max.ms') ?? MAX_FETCH_WAIT_MS;
  return {
    ...(setupTimeoutMs !== undefined && { setupTimeoutMs }),
    // A fetch is not answered before its time, as in librdkafka.
    ...(socketTimeoutMs !== undefined && { requestTimeoutMs: socketTimeoutMs + fetchWaitMs }),
    ...(properties['socket.keepalive.enable'] === 'false' && { keepsAlive: false }),
    ...(properties['isolation.level'] === 'read_uncommitted' && { readsUncommitted: true }),
  };
}
