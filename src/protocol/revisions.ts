/**
 * The native protocol grows by revisions: a field or packet exists when the revision both sides agreed on is at least the one that brought it.
 *
 * Source: ClickHouse `src/Core/ProtocolDefines.h` (26.7); only what changes bytes on the wire and is read here.
 */
export const FEATURES = {
  'client info': 54032,
  'server timezone': 54058,
  'quota key in client info': 54060,
  'server display name': 54372,
  'version patch': 54401,
  'server logs': 54406,
  'written rows in progress': 54420,
  'settings as text': 54429,
  'interserver secret': 54441,
  'open telemetry': 54442,
  'x-forwarded-for': 54443,
  referer: 54447,
  'distributed depth': 54448,
  'query start time': 54449,
  'parallel replicas': 54453,
  'column serialization kinds': 54454,
  'profile events in INSERT': 54456,
  'quota key in addendum': 54458,
  'query parameters': 54459,
  'elapsed in progress': 54460,
  'password rules': 54461,
  'interserver nonce': 54462,
  'total bytes in progress': 54463,
  'read-only flag of tables': 54467,
  'aggregation in profile info': 54469,
  'chunked framing': 54470,
  'parallel replicas version': 54471,
  'interserver roles': 54472,
  'settings in hello': 54474,
  'script position': 54475,
  'JWT in client info': 54476,
  'query plan version': 54477,
  'cluster function version': 54479,
  'out-of-order buckets': 54480,
  'compressed logs and profile events': 54481,
  'client agent': 54485,
  'internal query flag': 54486,
  'current roles': 54488,
} as const;

export type Feature = keyof typeof FEATURES;

/**
 * The newest revision of which every field is known here: newer peers are told this one. From 54490 on the Query packet and from 54492 on
 * strings in blocks have another shape.
 */
export const MAX_REVISION = 54488;

/** Whether peers that agreed on `revision` use the feature. */
export function hasFeature(revision: number, feature: Feature): boolean {
  return revision >= FEATURES[feature];
}
