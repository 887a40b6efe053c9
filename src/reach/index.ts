/**
 * Which addresses may be connected to on behalf of whoever writes statements. One policy for the process and not an option of each client: a client that
 * was not given it would be a hole.
 */
import { Reach } from './reach.ts';

export { askWithin, type HttpAnswer, type HttpQuestion } from './ask.ts';
export { Reach, ReachError } from './reach.ts';
export { parseHostRules, type HostRules } from './rules.ts';

/** Of Kafka's brokers, those that they name themselves included. */
export const brokerReach = new Reach('allowed_brokers');
/** Of schema registries and of the endpoints that hand out OAuth tokens. */
export const httpReach = new Reach('allowed_http_hosts');
