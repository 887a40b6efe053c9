/** The door of the engine room: the law of `ENGINE = Kafka`, with no network of its own (what it must ask, the caller's `Ask` asks). */
export type { Ask } from './ask.ts';
export {
  carrierName,
  carrierType,
  HEX_DECODING,
  needsCarriers,
  newCarrierPrefix,
  POSITION_SOURCES,
  STRAY_ROW,
  type AddedColumn,
  type Carrier,
  type InsertComment,
} from './carriers.ts';
export { checkKafkaTable, type CheckedEngine } from './check.ts';
export {
  DEFINITION_PREFIX,
  isAddedColumn,
  isDefinition,
  readDefinition,
  readPublicDefinition,
  withUserComment,
  writeDefinition,
  type Definition,
  type ReadDefinition,
} from './definition.ts';
export { landingStatement, type LandingTable } from './landing-table.ts';
export { tableOptions } from './options.ts';
export {
  nameBehindOutbox,
  OUTBOX_COMMENT_PREFIX,
  OUTBOX_MEMORY,
  outboxColumns,
  outboxName,
  storedOutboxColumns,
  TOKEN_COLUMN,
  type OutboxColumn,
} from './outbox.ts';
export { settingWithoutLiteral } from './read-settings.ts';
export { ENGINE_SETTINGS, type EngineSetting, type EngineSettingName } from './settings.ts';
export type { KafkaProperties, RoleProperties } from '../librdkafka/index.ts';
export { settingsOf, type FoundCollection, type Sources } from './named-collection.ts';
export { engineSettingsTable } from './settings-table.ts';
export { engineText, showCreateText, visibleElements, withoutSecrets, withSecrets } from './show-create.ts';
export type { KafkaTableOptions, PartitionerName, WriteOptions } from './types.ts';
export { addedColumns, FILLED_COLUMN_NAMES, MESSAGE_COLUMNS, virtualColumnsOf } from './virtual-columns.ts';
