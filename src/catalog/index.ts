/** The door of the catalog: which Kafka tables exist, what they read and who depends on them. State lives in ClickHouse alone. */
export { createCatalog, type Catalog, type CatalogOptions } from './catalog.ts';
export type {
  Carriers,
  Delivery,
  DeliveryTarget,
  Hindrance,
  LandingColumn,
  ManagedTable,
  Outbox,
  UnreadableTable,
  Written,
} from './types.ts';
export { ensureDeadLetterTable, removeDeadLetters } from './dead-letter-table.ts';
export { renewDefinitions, type RenewDefinitionsOptions } from './renew-definitions.ts';
export { readComment } from './read-comment.ts';
export { tableNameText } from './table-name.ts';
export { NamedCollections } from './named-collections.ts';
