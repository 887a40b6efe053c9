import type { KafkaProperties } from '../engine/index.ts';
import { askWithin, httpReach, type HttpAnswer } from '../reach/index.ts';
import { oneOf, wrongProperty } from './property-values.ts';
import { authoritiesOf } from './tls.ts';
import type { Token } from './tokens.ts';

const ANSWER_WITHIN_MS = 5000;
const MOST_ANSWER_BYTES = 256 << 10;
const MOST_QUOTED = 200;
/** RFC 6749 leaves the life of a token open; it is asked for again often enough. */
const UNSAID_LIFE_S = 300;

/** A client that gets tokens by its own credentials (RFC 6749, 4.4), from `sasl.oauthbearer.*`. */
export interface OidcClient {
  readonly url: URL;
  readonly id: string;
  readonly secret: string;
  readonly scope: string;
}

/** Throws `KafkaError` for what cannot work. */
export function oidcClient(properties: KafkaProperties): OidcClient {
  oneOf(properties, 'sasl.oauthbearer.grant.type', ['client_credentials'], 'client_credentials');
  authoritiesOf(properties, 'https.ca');
  const needed = (name: string): string => {
    const value = properties[name] ?? '';
    if (value === '') throw wrongProperty(`\`${name}\` is mandatory when \`sasl.oauthbearer.method=oidc\` is set`);
    return value;
  };
  const url = needed('sasl.oauthbearer.token.endpoint.url');
  if (!/^https?:\/\/[^/]/i.test(url) || !URL.canParse(url))
    throw wrongProperty(`sasl.oauthbearer.token.endpoint.url is no address: it must be https://host/path, or http for tests`);
  return {
    url: new URL(url),
    id: needed('sasl.oauthbearer.client.id'),
    secret: needed('sasl.oauthbearer.client.secret'),
    scope: properties['sasl.oauthbearer.scope'] ?? '',
  };
}

/** Asks for a token. Redirects are not followed; of an answer that holds none only what OAuth says about the error is quoted. */
export async function fetchOidcToken(properties: KafkaProperties): Promise<Token> {
  const client = oidcClient(properties);
  const where = `the token endpoint ${client.url.origin}${client.url.pathname}`;
  const { status, text } = await post(client, authoritiesOf(properties, 'https.ca')).catch((error: unknown) => {
    throw wrongProperty(`${where} gave no answer: ${reasonOf(error)}`);
  });
  const answer = jsonObject(text);
  const value = answer['access_token'];
  if (status !== 200 || typeof value !== 'string' || value === '') {
    const said = ['error', 'error_description'].map((name) => answer[name]).filter((one) => typeof one === 'string');
    throw wrongProperty(`${where} gave no token: ${[`status ${status}`, ...said].join(': ').slice(0, MOST_QUOTED)}`);
  }
  const lifeS = Number(answer['expires_in'] ?? UNSAID_LIFE_S) || UNSAID_LIFE_S;
  return { value, expiresAtMs: expiryOf(value) ?? Date.now() + lifeS * 1000 };
}

async function post({ url, id, secret, scope }: OidcClient, tls: { readonly ca?: string }): Promise<HttpAnswer> {
  return askWithin(httpReach, {
    url,
    method: 'POST',
    headers: {
      Accept: 'application/json',
      Authorization: `Basic ${Buffer.from(`${id}:${secret}`, 'utf8').toString('base64')}`,
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope !== '' && { scope }) }).toString(),
    timeoutMs: ANSWER_WITHIN_MS,
    maxAnswerBytes: MOST_ANSWER_BYTES,
    tls,
  });
}

function reasonOf(error: unknown): string {
  const { name, message } = error as Error;
  return name === 'AbortError' || name === 'TimeoutError' ? `nothing came within ${ANSWER_WITHIN_MS} ms` : message;
}

/** When a token that is a JWT expires; undefined for another one. */
function expiryOf(token: string): number | undefined {
  const [, claims = ''] = token.split('.');
  const expiry = jsonObject(Buffer.from(claims, 'base64url').toString('utf8'))['exp'];
  return typeof expiry === 'number' ? expiry * 1000 : undefined;
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
