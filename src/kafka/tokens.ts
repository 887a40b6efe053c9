/** A token for OAUTHBEARER. */
export interface Token {
  readonly value: string;
  readonly expiresAtMs: number;
}

/** As librdkafka: a new token is fetched when four fifths of its life are over. */
const USED_SHARE = 0.8;
/** But not with less left: a broker ends the session of a connection with its token, and takes another authentication after a second at the earliest. */
const LEAST_LEFT_MS = 5000;

/** The token of one identity for all connections, fetched when it is needed and again before it expires. */
export class TokenCache {
  readonly #fetchToken: () => Promise<Token>;
  #token: Token | undefined;
  #renewAtMs = 0;
  #fetching: Promise<Token> | undefined;

  constructor(fetchToken: () => Promise<Token>) {
    this.#fetchToken = fetchToken;
  }

  /** Throws what fetching throws, unless the last token is still good. */
  async token(): Promise<Token> {
    const last = this.#token;
    if (last !== undefined && Date.now() < this.#renewAtMs) return last;
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    if (last === undefined || Date.now() >= last.expiresAtMs) return this.#fetching;
    return this.#fetching.catch(() => last);
  }

  /** A broker refused it: the next one who asks gets a new one. */
  refused(token: Token): void {
    if (this.#token === token) this.#token = undefined;
  }

  get isExpired(): boolean {
    return this.#fetching === undefined && (this.#token === undefined || Date.now() >= this.#token.expiresAtMs);
  }

  async #fetch(): Promise<Token> {
    const token = await this.#fetchToken();
    const nowMs = Date.now();
    const lifeMs = token.expiresAtMs - nowMs;
    this.#renewAtMs = nowMs + Math.min(lifeMs * USED_SHARE, lifeMs - LEAST_LEFT_MS);
    this.#token = token;
    return token;
  }
}

const caches = new Map<string, TokenCache>();

/** The cache of an identity, which `key` tells from all others. Those of forgotten identities go when their tokens have expired. */
export function tokenCacheOf(key: string, fetchToken: () => Promise<Token>): TokenCache {
  const known = caches.get(key);
  if (known !== undefined) return known;
  for (const [other, cache] of caches) if (cache.isExpired) caches.delete(other);
  const cache = new TokenCache(fetchToken);
  caches.set(key, cache);
  return cache;
}
