export { answerBytes } from './answer-bytes.ts';
export { httpStatusOf, parseException, renderException } from './exception.ts';
export type { ServerTls } from './connections.ts';
export { createUpstream, MAX_HEADER_BYTES, type Upstream, type UpstreamOptions } from './upstream.ts';
export type { AnswerHead, AnswerOptions, ForwardedBody, ForwardedRequest, WholeAnswer } from './exchange.ts';
export { forward } from './forward.ts';
export {
  ClickHouseUnreachable,
  createServiceClient,
  type InsertOptions,
  type InsertResult,
  type Outcome,
  type ServiceClient,
  type ServiceClientOptions,
  type SettingValues,
} from './client.ts';
export { DRAIN_MS } from './exchange.ts';
export { Passage, type WireClient, type WireRequest } from './pass.ts';
export { WireBody, withoutChunks } from './wire-body.ts';
