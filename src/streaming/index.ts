export { Supervisor } from './supervisor.ts';
export type { SendInsert } from './ingest.ts';
export type { InsertRequest } from './insert-plan.ts';
export { serverDefaultsReader, type ServerDefaults } from './server-defaults.ts';
export { stillReadAsker } from './still-read.ts';
export type { StreamContext } from './table-stream.ts';
export { checkConnection } from './connection-check.ts';
export { sampleTopics, type TopicSample } from './topic-sample.ts';
export type { TableStatus } from './table-status.ts';
