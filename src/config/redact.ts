import { isSecretProperty, type KafkaLevel, type KafkaProperties, type KafkaSection } from '../librdkafka/index.ts';
import { CONFIG_KEYS, SECTIONS, SETTINGS, type Config, type Setting } from './settings.ts';

/** The settings by name for a log line: secrets are `***`, settings without a value are left out. */
export function printableConfig(config: Config): Record<string, unknown> {
  const printable: Record<string, unknown> = {};
  for (const key of CONFIG_KEYS) {
    const setting: Setting<unknown> = SETTINGS[key];
    const value = config[key];
    if (value !== undefined && value !== '') printable[setting.name] = setting.isSecret ? '***' : value;
  }
  if (!isEmpty(config.kafka)) printable[SECTIONS.kafka.name] = printableSection(config.kafka);
  if (config.namedCollections.size > 0) printable[SECTIONS.namedCollections.name] = [...config.namedCollections.keys()];
  return printable;
}

function isEmpty({ shared, consumer, producer }: KafkaSection): boolean {
  return [shared, consumer, producer].every(({ properties, topics }) => topics.length === 0 && Object.keys(properties).length === 0);
}

function printableSection({ shared, consumer, producer }: KafkaSection): Record<string, unknown> {
  const level = ({ properties, topics }: KafkaLevel): Record<string, unknown> => ({
    ...withoutSecrets(properties),
    ...(topics.length > 0 && { topics: topics.map((topic) => ({ name: topic.name, ...withoutSecrets(topic.properties) })) }),
  });
  return { ...level(shared), consumer: level(consumer), producer: level(producer) };
}

/** An URL may have a password in it. */
function withoutSecrets(properties: KafkaProperties): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [name, isSecretProperty(name) ? '***' : value.replace(/^(\w+:\/*).*@/s, '$1***@')]),
  );
}
