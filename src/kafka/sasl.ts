import type { Mechanism, SASLOptions } from 'kafkajs';
import type { KafkaProperties } from '../engine/index.ts';
import { awsRegion, signMskToken } from './aws-msk-iam.ts';
import { oauthBearer } from './oauthbearer.ts';
import { fetchOidcToken, oidcClient } from './oidc.ts';
import { isOn, listed, oneOf, wrongProperty } from './property-values.ts';
import { tokenCacheOf } from './tokens.ts';
import { unsecuredIdentity } from './unsecured-jws.ts';

export const AWS_MSK_IAM = 'AWS_MSK_IAM';

type Authentication = Mechanism | SASLOptions;
type Provide = (properties: KafkaProperties, brokers: readonly string[]) => Authentication;

const MECHANISMS: Readonly<Record<string, Provide>> = {
  PLAIN: (properties) => ({ mechanism: 'plain', ...credentialsOf(properties) }),
  'SCRAM-SHA-256': (properties) => ({ mechanism: 'scram-sha-256', ...credentialsOf(properties) }),
  'SCRAM-SHA-512': (properties) => ({ mechanism: 'scram-sha-512', ...credentialsOf(properties) }),
  OAUTHBEARER: bearer,
  [AWS_MSK_IAM]: (properties, brokers) => {
    const region = awsRegion(properties, brokers);
    return oauthBearer(tokenCacheOf(`${AWS_MSK_IAM} ${region}`, async () => signMskToken(region)));
  },
};

/** The mechanism that is set, in capitals; '' for none. What tables say goes by the first name, so that wins over its alias. */
export function mechanismOf(properties: KafkaProperties): string {
  return (properties['sasl.mechanism'] || properties['sasl.mechanisms'] || '').toUpperCase();
}

/** How the client says who it is. Throws `KafkaError` for what cannot work. */
export function saslOf(properties: KafkaProperties, brokers: readonly string[]): Authentication {
  const mechanism = mechanismOf(properties);
  const provide = Object.hasOwn(MECHANISMS, mechanism) ? MECHANISMS[mechanism] : undefined;
  if (provide !== undefined) return provide(properties, brokers);
  const allowed = `it must be ${listed(Object.keys(MECHANISMS))}`;
  if (mechanism === '')
    throw wrongProperty(
      `sasl.mechanism is not set, and GSSAPI (Kerberos), librdkafka's default, is not supported by the gateway: ${allowed}`,
    );
  throw wrongProperty(`Unsupported sasl.mechanism '${mechanism}': ${allowed}`);
}

function credentialsOf(properties: KafkaProperties): { readonly username: string; readonly password: string } {
  const [username = '', password = ''] = [properties['sasl.username'], properties['sasl.password']];
  if (username === '' || password === '') throw wrongProperty('sasl.username and sasl.password must be set');
  return { username, password };
}

function bearer(properties: KafkaProperties): Mechanism {
  const extensions = extensionsOf(properties['sasl.oauthbearer.extensions'] ?? '');
  const identity = JSON.stringify(Object.entries(properties).filter(([name]) => /^(?:sasl\.oauthbearer|https\.ca)\./.test(name)));
  if (oneOf(properties, 'sasl.oauthbearer.method', ['default', 'oidc'], 'default') === 'oidc') {
    oidcClient(properties);
    return oauthBearer(
      tokenCacheOf(identity, async () => fetchOidcToken(properties)),
      extensions,
    );
  }
  if (!isOn(properties, 'enable.sasl.oauthbearer.unsecure.jwt', false))
    throw wrongProperty('OAUTHBEARER needs sasl.oauthbearer.method = oidc: tokens come from a token endpoint');
  const unsecured = unsecuredIdentity(properties['sasl.oauthbearer.config'] ?? '');
  const tokens = tokenCacheOf(identity, () => Promise.resolve(unsecured.newToken()));
  return oauthBearer(tokens, new Map([...extensions, ...unsecured.extensions]));
}

/** `name=value,name=value` */
function extensionsOf(text: string): Map<string, string> {
  const items = text.split(',').filter((item) => item.trim() !== '');
  return new Map(
    items.map((item) => {
      // RFC 7628: a name is letters, and 'auth' is the token's own.
      const [, name = '', value = ''] = /^\s*([A-Za-z]+)=([\x20-\x7e\t\r\n]*?)\s*$/.exec(item) ?? [];
      if (name === '' || name === 'auth')
        throw wrongProperty(`sasl.oauthbearer.extensions '${item}' is no extension: it must be NAME=VALUE, the name of letters`);
      return [name, value];
    }),
  );
}
