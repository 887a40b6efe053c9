/** The door of the query room: one dispatcher behind both front ends. */
export { createDispatcher } from './dispatch.ts';
export type { DispatcherOptions, Outboxes, PreparedOutbox, TableId } from './context.ts';
export type { Action, AfterSuccess, ClientSession, Dispatcher, Notice, OnAnswer } from './types.ts';
