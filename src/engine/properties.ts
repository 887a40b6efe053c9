import type { EngineSettingName } from './settings.ts';

/**
 * librdkafka's configuration properties by name (`security.protocol`; its CONFIGURATION.md), values as text: the one language of everything that says how brokers
 * are reached, wherever it was written.
 */
export type KafkaProperties = Readonly<Record<string, string>>;

/** What goes for consumers and for producers of a table, every source merged. */
export interface RoleProperties {
  readonly consumer: KafkaProperties;
  readonly producer: KafkaProperties;
}

/** Engine settings that are properties of librdkafka under another name, as on the server (`KafkaConfigLoader.cpp`). */
const PROPERTY_OF: Partial<Record<EngineSettingName, string>> = {
  kafka_security_protocol: 'security.protocol',
  kafka_sasl_mechanism: 'sasl.mechanism',
  kafka_sasl_username: 'sasl.username',
  kafka_sasl_password: 'sasl.password',
};

/** The properties that a table's own settings give; an empty one gives none. */
export function propertiesOfSettings(settings: Readonly<Record<string, string>>): KafkaProperties {
  const given = Object.entries(PROPERTY_OF).map(([name, property]) => [property, settings[name] ?? ''] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== ''));
}
