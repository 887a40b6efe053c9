import { createSign, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** Clients that get tokens; the password of each is `<name>-secret`. */
const LIFE_S: Readonly<Record<string, number>> = { gateway: 300, brief: 7, stranger: 300 };

export interface TokenServer {
  /** `https://localhost:<port>/token` */
  readonly url: string;
  /** The keys that tokens are signed with, as a broker wants them; not that of the client `stranger`. */
  readonly jwks: string;
  /** How many tokens the client got. */
  issued(client: string): number;
  stop(): void;
}

/** A token endpoint with the client-credentials flow (RFC 6749, 4.4), whose tokens are JWTs. */
export async function startTokenServer(tls: { readonly cert: string; readonly key: string }): Promise<TokenServer> {
  const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const issued: string[] = [];
  const server = createServer({ cert: tls.cert, key: tls.key }, (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const answer = (status: number, value: unknown): void => {
        response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
      };
      const form = new URLSearchParams(body);
      if (request.method !== 'POST' || form.get('grant_type') !== 'client_credentials')
        return answer(400, { error: 'unsupported_grant_type' });
      const [client = '', secret] = Buffer.from(request.headers.authorization?.replace('Basic ', '') ?? '', 'base64')
        .toString()
        .split(':');
      const lifeS = LIFE_S[client];
      if (lifeS === undefined || secret !== `${client}-secret`)
        return answer(401, { error: 'invalid_client', error_description: 'who are you?' });
      issued.push(client);
      const key = client === 'stranger' ? foreign.privateKey : own.privateKey;
      answer(200, { token_type: 'Bearer', expires_in: lifeS, access_token: jwt(client, form.get('scope') ?? '', lifeS, key) });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}/token`,
    jwks: JSON.stringify({ keys: [{ ...own.publicKey.export({ format: 'jwk' }), kid: KEY_ID, use: 'sig', alg: 'RS256' }] }),
    issued: (client) => issued.filter((one) => one === client).length,
    stop: () => server.close(),
  };
}

const KEY_ID = 'the key of the test';

function jwt(subject: string, scope: string, lifeS: number, key: KeyObject): string {
  const nowS = Math.floor(Date.now() / 1000);
  const claims = { iss: 'sluice-test', sub: subject, scope, iat: nowS, exp: nowS + lifeS, jti: randomUUID() };
  const signed = [{ alg: 'RS256', kid: KEY_ID, typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(key, 'base64url')}`;
}
