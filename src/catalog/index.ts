/** The door of the catalog: which Kafka tables exist, what they read and who depends on them. State lives in ClickHouse alone. */
export { createCatalog, type Catalog, type CatalogOptions } from './catalog.ts';
export type { Carriers, LandingColumn, ManagedTable } from './types.ts';
export { ensureDeadLetterTable, removeDeadLetters, tableNameText } from './dead-letter-table.ts';
