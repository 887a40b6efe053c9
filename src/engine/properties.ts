import type { KafkaProperties } from '../librdkafka/index.ts';
import type { EngineSettingName } from './settings.ts';

/** Engine settings that are properties of librdkafka under another name, as on the server (`KafkaConfigLoader.cpp`). */
const PROPERTY_OF: Partial<Record<EngineSettingName, string>> = {
  kafka_security_protocol: 'security.protocol',
  kafka_sasl_mechanism: 'sasl.mechanism',
  kafka_sasl_username: 'sasl.username',
  kafka_sasl_password: 'sasl.password',
  kafka_compression_codec: 'compression.codec',
  kafka_compression_level: 'compression.level',
  kafka_partitioner: 'partitioner',
};

/** The properties that a table's own settings give; an empty one gives none. */
export function propertiesOfSettings(settings: Readonly<Record<string, string>>): KafkaProperties {
  const given = Object.entries(PROPERTY_OF).map(([name, property]) => [property, settings[name] ?? ''] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== ''));
}
