import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Authority, type SignedCertificate } from './authority.ts';
import { makeFolder, removeFolder } from './folder.ts';
import { startOwnKafka, type KafkaPart } from './kafka.ts';
import { freePort } from './ports.ts';
import { startTokenServer, type TokenServer } from './token-server.ts';

/** How clients get in, and the protocol below. Its certificate names `localhost`; client certificates are asked for by `MUTUAL` alone. */
const PROTOCOLS = {
  PLAINTEXT: 'PLAINTEXT',
  TLS: 'SSL',
  MUTUAL: 'SSL',
  SASL: 'SASL_PLAINTEXT',
  SASLTLS: 'SASL_SSL',
  /** Sessions end after three seconds. */
  SHORT: 'SASL_SSL',
  /** OAUTHBEARER with the tokens of Amazon MSK. */
  MSK: 'SASL_SSL',
} as const;
export type ListenerName = keyof typeof PROTOCOLS;

/** Of PLAIN and SCRAM. */
export const USER = { name: 'alice', password: "alice's secret=1" } as const;

export interface SecureKafkaPart extends KafkaPart {
  /** `localhost:<port>` of a listener. */
  at(listener: ListenerName): string;
  /** That the broker's certificate is from. */
  readonly authority: Authority;
  /** A certificate that `MUTUAL` takes. */
  readonly client: SignedCertificate;
  readonly tokens: TokenServer;
}

/** One broker with a listener for every way to get in: TLS, client certificates, PLAIN, SCRAM, OAUTHBEARER with tokens of `tokens`, over TLS and not. */
export async function startSecureKafka(): Promise<SecureKafkaPart> {
  const folder = makeFolder('secure-kafka');
  const authority = await Authority.make(folder, 'authority');
  const server = await authority.sign('broker', 'localhost');
  const tokens = await startTokenServer(server);
  const jwksFile = join(folder, 'jwks.json');
  writeFileSync(jwksFile, tokens.jwks);
  const keyStore = join(folder, 'broker.pem');
  writeFileSync(keyStore, server.key + server.cert);
  const ports = await portsOfListeners();
  const kafka = await startOwnKafka({
    port: ports.PLAINTEXT,
    properties: {
      ...(await listenerProperties(ports)),
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': keyStore,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': authority.certFile,
      'sasl.oauthbearer.jwks.endpoint.url': `file://${jwksFile}`,
      // The default checks no signature.
      'sasl.oauthbearer.jwt.validator.class': `${JAVA}.oauthbearer.BrokerJwtValidator`,
    },
    javaOptions: [
      `-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://${jwksFile}`,
      `-Dorg.apache.kafka.sasl.oauthbearer.allowed.files=${jwksFile}`,
    ],
    javaSources: [fileURLToPath(new URL('./kafka/MskTokenValidator.java', import.meta.url))],
    formatArguments: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${USER.name},password="${USER.password}"]`,
    ]),
  });
  return {
    ...kafka,
    get pid() {
      return kafka.pid;
    },
    at: (listener) => `localhost:${ports[listener]}`,
    authority,
    client: await authority.sign('client'),
    tokens,
    stop: async () => {
      tokens.stop();
      await kafka.stop();
      removeFolder(folder);
    },
  };
}

type Ports = Readonly<Record<ListenerName, number>>;

async function portsOfListeners(): Promise<Ports> {
  const ports: Partial<Record<ListenerName, number>> = {};
  for (const name of Object.keys(PROTOCOLS) as ListenerName[]) ports[name] = await freePort();
  return ports as Ports;
}

async function listenerProperties(ports: Ports): Promise<Record<string, string>> {
  const controller = await freePort();
  const own = (host: (name: ListenerName) => string): string =>
    Object.entries(ports)
      .map(([name, port]) => `${name}://${host(name as ListenerName)}:${port}`)
      .join(',');
  return {
    listeners: `${own(() => '127.0.0.1')},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': own((name) => (name === 'PLAINTEXT' ? '127.0.0.1' : 'localhost')),
    'listener.security.protocol.map': `${Object.entries(PROTOCOLS)
      .map(([name, protocol]) => `${name}:${protocol}`)
      .join(',')},CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    'listener.name.mutual.ssl.client.auth': 'required',
    ...saslProperties('sasl'),
    ...saslProperties('sasltls'),
    ...saslProperties('short'),
    'listener.name.short.connections.max.reauth.ms': '3000',
    'listener.name.msk.sasl.enabled.mechanisms': 'OAUTHBEARER',
    'listener.name.msk.oauthbearer.sasl.jaas.config': `${JAVA}.oauthbearer.OAuthBearerLoginModule required;`,
    'listener.name.msk.oauthbearer.sasl.server.callback.handler.class': 'MskTokenValidator',
  };
}

const JAVA = 'org.apache.kafka.common.security';

function saslProperties(listener: string): Record<string, string> {
  const prefix = `listener.name.${listener}`;
  return {
    [`${prefix}.sasl.enabled.mechanisms`]: 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
    [`${prefix}.plain.sasl.jaas.config`]: `${JAVA}.plain.PlainLoginModule required user_${USER.name}="${USER.password}";`,
    [`${prefix}.scram-sha-256.sasl.jaas.config`]: `${JAVA}.scram.ScramLoginModule required;`,
    [`${prefix}.scram-sha-512.sasl.jaas.config`]: `${JAVA}.scram.ScramLoginModule required;`,
    [`${prefix}.oauthbearer.sasl.jaas.config`]: `${JAVA}.oauthbearer.OAuthBearerLoginModule required;`,
    [`${prefix}.oauthbearer.sasl.server.callback.handler.class`]: `${JAVA}.oauthbearer.OAuthBearerValidatorCallbackHandler`,
  };
}
