/** What the properties of librdkafka mean here, and how they are written: sections, topics, named collections. */
export type { ConfigNode } from './node.ts';
export { isSecretProperty, numberOf, PARTITIONERS, type KafkaProperties, type RoleProperties } from './properties.ts';
export {
  EMPTY_SECTION,
  mapProperties,
  mergeProperties,
  mergeSections,
  propertiesOf,
  readSection,
  type KafkaLevel,
  type KafkaSection,
  type MeaninglessProperty,
} from './section.ts';
export { collectionOfServer, isAboutKafka, readCollection, type NamedCollection } from './collection.ts';
export { propertiesTable } from './properties-table.ts';
