import kafkajs, { type AuthenticationProviderArgs, type Mechanism } from 'kafkajs';
import type { TokenCache } from './tokens.ts';

type SaslAuthenticate = AuthenticationProviderArgs['saslAuthenticate'];

const SEPARATOR = '\u0001';
const SIZE_BYTES = 4;

/**
 * SASL OAUTHBEARER (RFC 7628). kafkajs' own takes a token that the broker refuses for accepted: a broker answers it by a challenge that says why, fails the
 * authentication only when the client has taken note of that, and closes the connection at anything else.
 */
export function oauthBearer(tokens: TokenCache, extensions: ReadonlyMap<string, string> = new Map()): Mechanism {
  return {
    mechanism: 'oauthbearer',
    authenticationProvider: ({ saslAuthenticate }) => ({
      authenticate: async () => {
        const token = await tokens.token().catch((error: unknown) => Promise.reject(authenticationError(messageOf(error))));
        try {
          await present(token.value, extensions, saslAuthenticate);
        } catch (error) {
          tokens.refused(token);
          throw authenticationError(`SASL OAUTHBEARER authentication failed: ${messageOf(error)}`);
        }
      },
    }),
  };
}

async function present(token: string, extensions: ReadonlyMap<string, string>, saslAuthenticate: SaslAuthenticate): Promise<void> {
  const fields = [`auth=Bearer ${token}`, ...[...extensions].map(([name, value]) => `${name}=${value}`)];
  const refusal = await exchange(`n,,${SEPARATOR}${fields.join(SEPARATOR)}${SEPARATOR}${SEPARATOR}`, saslAuthenticate);
  if (refusal === '') return;
  // To this the broker answers with an error, which kafkajs throws.
  await exchange(SEPARATOR, saslAuthenticate);
  throw new Error(refusal);
}

/** Sends a message of the mechanism; the broker's. Both are preceded by their size. */
async function exchange(message: string, saslAuthenticate: SaslAuthenticate): Promise<string> {
  const encoded = Buffer.from(message, 'utf8');
  const size = Buffer.alloc(SIZE_BYTES);
  size.writeInt32BE(encoded.length);
  const answer = await saslAuthenticate({
    request: { encode: () => Buffer.concat([size, encoded]) },
    response: { decode: (bytes) => bytes.subarray(SIZE_BYTES), parse: (bytes) => bytes.toString('utf8') },
  });
  return answer ?? '';
}

/** kafkajs tries again after any other error that it does not know. */
function authenticationError(text: string): Error {
  return new (kafkajs.KafkaJSSASLAuthenticationError as new (message: string) => Error)(text);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
