import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { KafkaProperties } from '../../src/engine/index.ts';
import { signMskToken } from '../../src/kafka/aws-msk-iam.ts';
import { checkProperties } from '../../src/kafka/security.ts';
import { TokenCache, type Token } from '../../src/kafka/tokens.ts';
import { unsecuredIdentity } from '../../src/kafka/unsecured-jws.ts';
import { openssl, useFolder } from '../helpers/index.ts';
import { Authority } from '../parts/authority.ts';

const PLAIN = { 'security.protocol': 'sasl_ssl', 'sasl.mechanism': 'PLAIN', 'sasl.username': 'u', 'sasl.password': 'p' };
const OIDC = {
  'security.protocol': 'sasl_ssl',
  'sasl.mechanism': 'OAUTHBEARER',
  'sasl.oauthbearer.method': 'OIDC',
  'sasl.oauthbearer.client.id': 'id',
  'sasl.oauthbearer.client.secret': 'the secret of the test',
  'sasl.oauthbearer.token.endpoint.url': 'https://login.example/token',
};
const MSK = { 'sasl.mechanism': 'AWS_MSK_IAM' };
const MSK_BROKER = 'b-1.c.abc1.c2.kafka.eu-west-3.amazonaws.com:9098';

const works = test.macro({
  exec: (t: ExecutionContext, properties: KafkaProperties, brokers: readonly string[] = ['k:9092']) => {
    t.notThrows(() => {
      checkProperties(properties, brokers);
    });
  },
  title: (_, properties: KafkaProperties, brokers: readonly string[] = []) =>
    ['can work:', JSON.stringify(properties), ...brokers].join(' '),
});

const cannotWork = test.macro({
  exec: (t: ExecutionContext, properties: KafkaProperties, sentence: string, brokers: readonly string[] = ['k:9092']) => {
    const error = t.throws(
      () => {
        checkProperties(properties, brokers);
      },
      { name: 'KafkaError' },
    );
    t.is(error.message, sentence);
  },
  title: (_, { 'sasl.mechanism': mechanism = 'no mechanism' }: KafkaProperties, sentence: string, _brokers: readonly string[] = []) =>
    `told of ${mechanism} without any broker: ${sentence}`,
});

test(works, {});
test(works, { 'security.protocol': '' });
test(works, { 'security.protocol': 'PLAINTEXT', 'sasl.mechanism': 'unheard of' });
test(works, { 'security.protocol': 'SSL', 'enable.ssl.certificate.verification': 'false', 'ssl.ca.location': 'probe' });
test(works, { ...PLAIN, 'ssl.cipher.suites': 'ECDHE-RSA-AES256-GCM-SHA384' });
test(works, { ...PLAIN, 'sasl.mechanism': '', 'sasl.mechanisms': 'scram-sha-512' });
test(works, OIDC);
test(works, { ...OIDC, 'sasl.oauthbearer.extensions': 'logicalCluster=lkc-1,identityPoolId=pool=1' });
test(works, MSK, [MSK_BROKER]);
test(works, MSK, ['other:9098', 'boot-ab.c1.kafka-serverless.us-east-1.amazonaws.com:9098']);
test(works, { ...MSK, 'aws.region': 'us-east-1' });

const MECHANISMS = 'it must be PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM';
test(
  cannotWork,
  { 'security.protocol': 'tls' },
  "Unsupported security.protocol 'tls': it must be plaintext, ssl, sasl_plaintext or sasl_ssl",
);
test(cannotWork, { ...PLAIN, 'sasl.mechanism': 'GSSAPI' }, `Unsupported sasl.mechanism 'GSSAPI': ${MECHANISMS}`);
test(cannotWork, { ...PLAIN, 'sasl.mechanism': '__proto__' }, `Unsupported sasl.mechanism '__PROTO__': ${MECHANISMS}`);
test(
  cannotWork,
  { 'security.protocol': 'sasl_plaintext' },
  `sasl.mechanism is not set, and GSSAPI (Kerberos), librdkafka's default, is not supported by the gateway: ${MECHANISMS}`,
);
test(cannotWork, { ...PLAIN, 'sasl.password': '' }, 'sasl.username and sasl.password must be set');
test(
  cannotWork,
  { 'security.protocol': 'ssl', 'ssl.endpoint.identification.algorithm': 'dns' },
  "Unsupported ssl.endpoint.identification.algorithm 'dns': it must be https or none",
);
test(
  cannotWork,
  { 'security.protocol': 'ssl', 'enable.ssl.certificate.verification': 'maybe' },
  "Unsupported enable.ssl.certificate.verification 'maybe': it must be true, false, 1, 0, t or f",
);
test(
  cannotWork,
  { 'security.protocol': 'ssl', 'ssl.cipher.suites': 'rot13' },
  'The ssl.* properties cannot be used: ERR_SSL_NO_CIPHER_MATCH',
);
test(
  cannotWork,
  { 'security.protocol': 'ssl', 'ssl.ca.pem': '-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----' },
  'ssl.ca.pem holds a broken certificate (number 1): copy it again, whole',
);
test(
  cannotWork,
  { 'security.protocol': 'ssl', 'ssl.ca.location': '/nonexistent' },
  "ssl.ca.location: '/nonexistent' cannot be read (ENOENT)",
);
test(
  cannotWork,
  { 'security.protocol': 'ssl', 'ssl.key.pem': 'x' },
  'ssl.key needs its certificate: set ssl.certificate.pem or ssl.certificate.location',
);
test(
  cannotWork,
  { ...OIDC, 'sasl.oauthbearer.client.secret': '' },
  '`sasl.oauthbearer.client.secret` is mandatory when `sasl.oauthbearer.method=oidc` is set',
);
test(
  cannotWork,
  { ...OIDC, 'sasl.oauthbearer.token.endpoint.url': 'file:///etc/passwd' },
  'sasl.oauthbearer.token.endpoint.url is no address: it must be https://host/path, or http for tests',
);
test(
  cannotWork,
  { ...OIDC, 'sasl.oauthbearer.extensions': 'auth=Bearer x' },
  "sasl.oauthbearer.extensions 'auth=Bearer x' is no extension: it must be NAME=VALUE, the name of letters",
);
test(
  cannotWork,
  { ...OIDC, 'sasl.oauthbearer.method': '' },
  'OAUTHBEARER needs sasl.oauthbearer.method = oidc: tokens come from a token endpoint',
);
test(
  cannotWork,
  MSK,
  "Cannot auto-detect AWS region from broker list 'k.example:9098'. Or set kafka_aws_region explicitly in table SETTINGS.",
  ['k.example:9098'],
);
test(
  cannotWork,
  { ...MSK, 'security.protocol': 'tls' },
  "Unsupported security.protocol 'tls': it must be plaintext, ssl, sasl_plaintext or sasl_ssl",
);

test('a client certificate is taken from PEM, locked PEM, files, folders and PKCS#12, with the key that belongs to it only', async (t) => {
  const folder = await useFolder(t);
  const authority = await Authority.make(folder, 'authority');
  const [one, other] = [await authority.sign('one'), await authority.sign('other')];
  const [locked, store] = [join(folder, 'locked.pem'), join(folder, 'one.p12')];
  await openssl(['pkey', '-in', one.keyFile, '-aes256', '-passout', 'pass:hunter2', '-out', locked]);
  await openssl(['pkcs12', '-export', '-in', one.certFile, '-inkey', one.keyFile, '-passout', 'pass:hunter2', '-out', store]);
  const said = (properties: KafkaProperties): string => {
    try {
      checkProperties({ 'security.protocol': 'ssl', ...properties }, []);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const certificate = { 'ssl.certificate.location': one.certFile };
  t.is(said({ 'ssl.ca.pem': authority.cert, 'ssl.certificate.pem': one.cert, 'ssl.key.pem': one.key }), '');
  t.is(said({ ...certificate, 'ssl.key.location': locked, 'ssl.key.password': 'hunter2' }), '');
  t.is(said({ 'ssl.keystore.location': store, 'ssl.keystore.password': 'hunter2' }), '');
  t.is(said({ 'ssl.ca.location': folder }), '');
  t.regex(
    said({ ...certificate, 'ssl.key.location': other.keyFile }),
    /^ssl.key.location: '.*' is not the key of the first certificate in /,
  );
  t.regex(said({ ...certificate, 'ssl.key.location': locked, 'ssl.key.password': 'hunter3' }), /is not unlocked by its password: /);
  t.regex(said({ ...certificate, 'ssl.key.location': locked }), /is locked by a password: set ssl.key.password/);
  t.regex(said({ ...certificate }), /^ssl.certificate needs its private key/);
  t.regex(said({ 'ssl.keystore.location': store, 'ssl.keystore.password': 'hunter3' }), /cannot be opened with ssl.keystore.password/);
  t.regex(said({ 'ssl.keystore.location': one.certFile }), /it must be a PKCS#12 store/);
  t.regex(said({ 'ssl.crl.location': one.certFile }), /holds no list of revoked certificates/);
  writeFileSync(join(folder, 'empty'), '');
  t.regex(said({ 'ssl.ca.location': join(folder, 'empty') }), /empty' holds no certificate: /);
});

test.serial('a token for MSK is a request for kafka-cluster:Connect, signed with the credentials of the environment', async (t) => {
  const before = { ...process.env };
  t.teardown(() => {
    process.env = before;
  });
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIDOFTHETEST', AWS_SECRET_ACCESS_KEY: 'its secret', AWS_SESSION_TOKEN: 'the session' });
  const { value, expiresAtMs } = await signMskToken('eu-west-3');
  const url = new URL(Buffer.from(value, 'base64url').toString('utf8'));
  t.is(url.host, 'kafka.eu-west-3.amazonaws.com');
  t.is(url.searchParams.get('Action'), 'kafka-cluster:Connect');
  t.regex(url.searchParams.get('X-Amz-Credential') ?? '', /^AKIDOFTHETEST\/\d{8}\/eu-west-3\/kafka-cluster\/aws4_request$/);
  t.is(url.searchParams.get('X-Amz-Security-Token'), 'the session');
  t.regex(url.searchParams.get('X-Amz-Signature') ?? '', /^[0-9a-f]{64}$/);
  t.false(url.href.includes('secret'));
  t.true(Math.abs(expiresAtMs - Date.now() - 900_000) < 60_000);
});

test('an unsecured token says what sasl.oauthbearer.config says', (t) => {
  const identity = unsecuredIdentity(
    'principalClaimName=azp principal=admin scopeClaimName=roles scope=role1,role2 lifeSeconds=600 extension_team=ops',
  );
  const { value, expiresAtMs } = identity.newToken();
  const [header, claims, signature] = value.split('.').map((part) => Buffer.from(part, 'base64url').toString('utf8'));
  t.is(header, '{"alg":"none"}');
  t.like(JSON.parse(claims ?? ''), { azp: 'admin', roles: ['role1', 'role2'], exp: expiresAtMs / 1000 });
  t.is(signature, '');
  t.deepEqual([...identity.extensions], [['team', 'ops']]);
  t.throws(() => unsecuredIdentity('scope=x'), { message: 'Invalid sasl.oauthbearer.config: it needs principal=NAME' });
  t.throws(() => unsecuredIdentity('principal=a lifetime=1'), { message: /^Unrecognized field 'lifetime' of sasl.oauthbearer.config: / });
});

test('a token is fetched once for all who wait for it, again when little of it is left, and the old one serves when that fails', async (t) => {
  const lives = [60_000, 4_000, undefined, 60_000];
  let fetched = 0;
  const cache = new TokenCache(async () => {
    const lifeMs = lives[fetched++];
    if (lifeMs === undefined) throw new Error('the endpoint is down');
    return Promise.resolve<Token>({ value: String(fetched), expiresAtMs: Date.now() + lifeMs });
  });
  const [first, second] = await Promise.all([cache.token(), cache.token()]);
  t.is(first, second);
  t.is(await cache.token(), first);
  cache.refused(first);
  t.is((await cache.token()).value, '2');
  t.is((await cache.token()).value, '2');
  t.is(fetched, 3);
  t.is((await cache.token()).value, '4');
});
