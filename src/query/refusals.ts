import { clickhouseError } from '../errors.ts';
import type { Action } from './types.ts';

export function refuse(...[name, text]: Parameters<typeof clickhouseError>): Action {
  return { kind: 'refuse', exception: clickhouseError(name, text) };
}

/** The answer of the real engine to a SELECT from a Kafka table. */
export function refuseDirectSelect(): Action {
  const setting = 'To enable use setting `stream_like_engine_allow_direct_select`';
  return refuse(
    'QUERY_NOT_ALLOWED',
    `Direct select is not allowed. ${setting}, but be aware that usually the read data is removed from the queue`,
  );
}

/** What the real engine can and the gateway cannot yet; each call names the door where it will come in. */
export function refuseNotYet(what: string): Action {
  return refuse('NOT_IMPLEMENTED', `${what} not supported yet by the gateway`);
}
