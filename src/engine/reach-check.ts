import { clickhouseError } from '../errors.ts';
import type { KafkaTableOptions } from './types.ts';
import { addressOfUrl } from '../url-address.ts';
import { brokerReach, httpReach, ReachError } from '../reach/index.ts';

const KAFKA_PORT = 9092;

/** What a table makes the gateway connect to. */
export interface Reached {
  /** `host:port` */
  readonly brokers: readonly string[];
  /** URLs. */
  readonly registry: string | undefined;
  readonly tokenEndpoint: string | undefined;
}

/** Of a table that there is. */
export function reachedBy({
  brokers,
  formatSettings,
  properties,
}: Pick<KafkaTableOptions, 'brokers' | 'formatSettings' | 'properties'>): Reached {
  return {
    brokers,
    registry: formatSettings['format_avro_schema_registry_url'],
    tokenEndpoint: properties.consumer['sasl.oauthbearer.token.endpoint.url'],
  };
}

/**
 * Throws the exception for a table that names a broker, a schema registry or a token endpoint which the operator does not let the gateway connect to. The registry is asked by
 * the server, too: a table must not make that do what the gateway may not.
 */
export async function checkReach({ brokers, registry, tokenEndpoint }: Reached): Promise<void> {
  try {
    for (const broker of brokers) await checkBroker(broker);
    for (const address of [registry, tokenEndpoint]) await checkHttp(address ?? '');
  } catch (error) {
    if (error instanceof ReachError) throw clickhouseError('UNACCEPTABLE_URL', error.message);
    throw error;
  }
}

const BROKER = /^(?:\w+:\/\/)?(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/;

async function checkBroker(broker: string): Promise<void> {
  const [whole, address, name, port] = BROKER.exec(broker.trim()) ?? [];
  // What is no address is never connected to, and said so then.
  if (whole !== undefined) await brokerReach.assertReachable(address ?? name ?? '', Number(port ?? KAFKA_PORT));
}

async function checkHttp(text: string): Promise<void> {
  if (!URL.canParse(text)) return;
  const { host, port } = addressOfUrl(new URL(text));
  await httpReach.assertReachable(host, port);
}
