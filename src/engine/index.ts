/** The door of the engine room: the law of `ENGINE = Kafka`, with no network of its own (what it must ask, the caller's `Ask` asks) but for names of hosts. */
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
  placeOfDatabase,
  placeOfUuid,
  readPublicDefinition,
  takesUuids,
  withUserComment,
  writeDefinition,
  type Definition,
  type Place,
  type SecretKeys,
} from './definition.ts';
export { isLandingWith, landingStatement, type LandingTable } from './landing-table.ts';
export { tableOptions, type TableRules } from './options.ts';
export {
  nameBehindOutbox,
  OUTBOX_COMMENT_PREFIX,
  OUTBOX_MEMORY,
  addedColumnType,
  addedOutboxColumns,
  FORMAT_SETTINGS_COLUMN,
  outboxColumns,
  outboxComment,
  outboxName,
  readOutboxComment,
  storedOutboxColumns,
  QUERY_COLUMN,
  TOKEN_COLUMN,
  type OutboxColumn,
} from './outbox.ts';
export { checkReach, reachedBy } from './reach-check.ts';
export { readDefinition, renewDefinition, type ReadDefinition, type Renewal } from './read-definition.ts';
export { querySetting, settingWithoutLiteral } from './read-settings.ts';
export {
  mayHoldSecrets,
  NOT_LOGGED,
  SECRET_SETTINGS,
  secretSettingsClause,
  withoutPossibleSecrets,
  withoutSecretSettings,
} from './secrets.ts';
export { ENGINE_SETTINGS, type EngineSetting, type EngineSettingName } from './settings.ts';
export type { KafkaProperties, RoleProperties } from '../librdkafka/index.ts';
export { withFilesIn } from './properties.ts';
export { NO_SOURCES, settingsOf, type FoundCollection, type Sources } from './named-collection.ts';
export { engineSettingsTable } from './settings-table.ts';
export { engineText, showCreateText, visibleElements, withoutSecrets, withSecrets } from './show-create.ts';
export type { KafkaTableOptions, PartitionerName, WriteOptions } from './types.ts';
export { addedColumns, FILLED_COLUMN_NAMES, MESSAGE_COLUMNS, virtualColumnsOf } from './virtual-columns.ts';
