import { COMMIT_KINDS } from './commits.ts';
import { CONNECTION_KINDS } from './connections.ts';
import { GATEWAY_KINDS } from './gateways.ts';
import type { Kind } from './kind.ts';
import { OUTBOX_KINDS } from './outboxes.ts';
import { REFUSAL_KINDS } from './refusals.ts';
import { SERVER_KINDS } from './servers.ts';
import { STATEMENT_KINDS } from './statements.ts';
import { TRANSACTION_KINDS } from './transactions.ts';

export type { Kind } from './kind.ts';

/** All kinds of faults, in the order of the report. */
export const KINDS: readonly Kind[] = [
  ...GATEWAY_KINDS,
  ...SERVER_KINDS,
  ...CONNECTION_KINDS,
  ...COMMIT_KINDS,
  ...TRANSACTION_KINDS,
  ...OUTBOX_KINDS,
  ...REFUSAL_KINDS,
  ...STATEMENT_KINDS,
];
