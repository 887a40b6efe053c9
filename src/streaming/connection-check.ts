import type { KafkaTableOptions } from '../engine/index.ts';
import { clickhouseError, type ErrorName } from '../errors.ts';
import { clientOf, KafkaFailure, probeKafka, type KafkaStep, type Patience } from '../kafka/index.ts';
import type { Logger } from '../logger.ts';
import { RegistryFailure, SchemaRegistry } from '../registry/index.ts';
import { newestPayload } from './topic-sample.ts';
import { withDeadline } from '../pauses.ts';

export interface CheckedTable {
  readonly database: string;
  readonly table: string;
  readonly options: KafkaTableOptions;
}

/**
 * Goes to the brokers, the topics, the group and the schema registry as the table's streams would, at most for `timeoutMs`. Throws a ClickHouseException: which
 * step failed, where, why, and what to change. `gone`: nobody waits for the answer any more.
 */
export async function checkConnection(checked: CheckedTable, timeoutMs: number, gone: AbortSignal, logger: Logger): Promise<void> {
  const own = logger.child({ table: `${checked.database}.${checked.table}` });
  try {
    const { topics, groupName } = checked.options;
    await withDeadline(timeoutMs, [gone], async (signal) => {
      const patience = { signal, timeoutMs };
      const isReadable = await probeKafka({ ...clientOf(checked, 'consumer'), topics, groupId: groupName }, patience, own);
      await checkSchema(checked, isReadable, patience, own);
    });
  } catch (error) {
    const { name, text } = toldBy(error);
    own.info({ reason: text }, 'table not created');
    throw clickhouseError(name, text, { cause: error });
  }
}

/** A message of the topic names its schema, which the server will ask the registry for. */
async function checkSchema(checked: CheckedTable, isReadable: boolean, patience: Patience, logger: Logger): Promise<void> {
  const { format, formatSettings } = checked.options;
  const url = formatSettings['format_avro_schema_registry_url'] ?? '';
  if (url === '' || !/^AvroConfluent$/i.test(format)) return;
  const newest = isReadable ? await newestMessage(checked, patience, logger) : undefined;
  await registryAt(url).probe(newest && schemaIdOf(newest), patience.signal);
}

async function newestMessage({ options }: CheckedTable, patience: Patience, logger: Logger): Promise<Buffer | undefined> {
  try {
    return await newestPayload(options, patience, logger);
  } catch (error) {
    const reason = `the newest message cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw new KafkaFailure({ step: 'topic', broker: undefined, reason, advice: "Look at the brokers' logs" }, { cause: error });
  }
}

function registryAt(url: string): SchemaRegistry {
  try {
    return new SchemaRegistry({ url });
  } catch (error) {
    throw new RegistryFailure('unreachable', 'at format_avro_schema_registry_url: it is no URL. Write http://host:port', { cause: error });
  }
}

const MAGIC = 0;
const HEADER_BYTES = 5;

/** Of a message in Confluent's encoding; of any other one the server will say what it makes of it. */
function schemaIdOf(payload: Buffer): number | undefined {
  return payload.length >= HEADER_BYTES && payload[0] === MAGIC ? payload.readUInt32BE(1) : undefined;
}

const CODES: Readonly<Record<KafkaStep, ErrorName>> = {
  settings: 'BAD_ARGUMENTS',
  resolve: 'NETWORK_ERROR',
  connect: 'NETWORK_ERROR',
  tls: 'NETWORK_ERROR',
  protocol: 'NETWORK_ERROR',
  sasl: 'AUTHENTICATION_FAILED',
  metadata: 'NETWORK_ERROR',
  topic: 'BAD_ARGUMENTS',
  group: 'BAD_ARGUMENTS',
};

const REGISTRY_CODES: Readonly<Record<RegistryFailure['kind'], ErrorName>> = {
  unreachable: 'NETWORK_ERROR',
  unauthorized: 'AUTHENTICATION_FAILED',
  'not allowed': 'UNACCEPTABLE_URL',
  'unknown schema': 'BAD_ARGUMENTS',
};

function toldBy(error: unknown): { readonly name: ErrorName; readonly text: string } {
  if (error instanceof RegistryFailure) return { name: REGISTRY_CODES[error.kind], text: `step schema failed ${error.message}` };
  if (!(error instanceof KafkaFailure)) throw error;
  const isDenied = error.type?.endsWith('_AUTHORIZATION_FAILED') === true;
  return { name: isDenied ? 'ACCESS_DENIED' : CODES[error.step], text: error.message };
}
