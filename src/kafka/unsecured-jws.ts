import { wrongProperty } from './property-values.ts';
import type { Token } from './tokens.ts';

/** Fields of `sasl.oauthbearer.config` (librdkafka's CONFIGURATION.md), and `extension_NAME`. */
const FIELDS = ['principalClaimName', 'principal', 'scopeClaimName', 'scope', 'lifeSeconds'];
const DEFAULT_LIFE_S = 3600;

export interface UnsecuredIdentity {
  readonly extensions: ReadonlyMap<string, string>;
  newToken(): Token;
}

/** Tokens that nobody has signed, from `sasl.oauthbearer.config`: `principal=admin scope=role1,role2 lifeSeconds=600`. For tests only. */
export function unsecuredIdentity(config: string): UnsecuredIdentity {
  const fields = readFields(config);
  const principal = fields.get('principal') ?? '';
  if (principal === '') throw wrongProperty(`Invalid sasl.oauthbearer.config: it needs principal=NAME`);
  const lifeS = Number(fields.get('lifeSeconds') ?? DEFAULT_LIFE_S);
  if (!(Number.isInteger(lifeS) && lifeS > 0))
    throw wrongProperty(`Invalid sasl.oauthbearer.config: lifeSeconds must be a whole number above 0`);
  const scopes = (fields.get('scope') ?? '').split(',').filter((scope) => scope !== '');
  const extensions = [...fields].flatMap(([name, value]) =>
    name.startsWith('extension_') ? [[name.slice('extension_'.length), value] as const] : [],
  );
  return {
    extensions: new Map(extensions),
    newToken: () => {
      const nowS = Math.floor(Date.now() / 1000);
      const claims = {
        [fields.get('principalClaimName') ?? 'sub']: principal,
        iat: nowS,
        exp: nowS + lifeS,
        ...(scopes.length > 0 && { [fields.get('scopeClaimName') ?? 'scope']: scopes }),
      };
      return { value: `${encoded({ alg: 'none' })}.${encoded(claims)}.`, expiresAtMs: (nowS + lifeS) * 1000 };
    },
  };
}

function readFields(config: string): Map<string, string> {
  return new Map(
    config
      .split(' ')
      .filter((field) => field !== '')
      .map((field) => {
        const [, name = '', value = ''] = /^([^=]+)=(.*)$/.exec(field) ?? [];
        if (!FIELDS.includes(name) && !name.startsWith('extension_'))
          throw wrongProperty(
            `Unrecognized field '${name}' of sasl.oauthbearer.config: it must be ${FIELDS.join('=, ')}= or extension_NAME=`,
          );
        return [name, value];
      }),
  );
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
