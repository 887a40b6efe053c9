import { createSecureContext, type ConnectionOptions, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { KafkaProperties } from '../engine/index.ts';
import { isLocked, parseCertificates, parseKey, WrongPem } from '../pem.ts';
import { isOn, oneOf, pemOf, readWhole, wrongProperty, type Pem } from './property-values.ts';

/** Properties whose value goes to OpenSSL as it is. */
const AS_THEY_ARE = { 'ssl.cipher.suites': 'ciphers', 'ssl.curves.list': 'ecdhCurve', 'ssl.sigalgs.list': 'sigalgs' } as const;

/**
 * How a connection over TLS is made, from librdkafka's `ssl.*`. Files are read now, so that the next connection sees those that were renewed. Throws `KafkaError`
 * for what cannot work; nothing of a file or key is quoted.
 */
export function tlsOptions(properties: KafkaProperties): ConnectionOptions {
  const checksName = oneOf(properties, 'ssl.endpoint.identification.algorithm', ['https', 'none'], 'https') === 'https';
  return {
    secureContext: contextOf({
      ...authoritiesOf(properties, 'ssl.ca'),
      ...ownCertificate(properties),
      ...keyStore(properties),
      ...revocations(properties),
      ...Object.fromEntries(
        Object.entries(AS_THEY_ARE).flatMap(([name, option]) => (properties[name] ? [[option, properties[name]]] : [])),
      ),
    }),
    rejectUnauthorized: isOn(properties, 'enable.ssl.certificate.verification', true),
    ...(checksName ? {} : { checkServerIdentity: () => undefined }),
  };
}

/** `name`.pem or `name`.location as authorities; none: those that Node.js knows. */
export function authoritiesOf(properties: KafkaProperties, name: 'ssl.ca' | 'https.ca'): { readonly ca?: string } {
  // librdkafka's word for looking for the system's own.
  if (properties[`${name}.location`] === 'probe' && !properties[`${name}.pem`]) return {};
  const pem = pemOf(properties, name);
  if (pem === undefined) return {};
  parsed(pem, () => parseCertificates(pem.text));
  return { ca: pem.text };
}

function ownCertificate(properties: KafkaProperties): SecureContextOptions {
  const [certificate, key] = [pemOf(properties, 'ssl.certificate'), pemOf(properties, 'ssl.key')];
  if (certificate === undefined && key === undefined) return {};
  if (key === undefined) throw wrongProperty(`ssl.certificate needs its private key: set ssl.key.pem or ssl.key.location`);
  if (certificate === undefined) throw wrongProperty(`ssl.key needs its certificate: set ssl.certificate.pem or ssl.certificate.location`);
  const passphrase = properties['ssl.key.password'] || undefined;
  if (passphrase === undefined && isLocked(key.text)) throw wrongProperty(`${key.origin} is locked by a password: set ssl.key.password`);
  const [own] = parsed(certificate, () => parseCertificates(certificate.text));
  const privateKey = parsed(key, () => parseKey(key.text, passphrase));
  if (own?.checkPrivateKey(privateKey) !== true)
    throw wrongProperty(`${key.origin} is not the key of the first certificate in ${certificate.origin}`);
  return { cert: certificate.text, key: key.text, ...(passphrase !== undefined && { passphrase }) };
}

function keyStore(properties: KafkaProperties): SecureContextOptions {
  const path = properties['ssl.keystore.location'] ?? '';
  if (path === '') return {};
  const store = { pfx: readWhole('ssl.keystore.location', path), passphrase: properties['ssl.keystore.password'] ?? '' };
  try {
    createSecureContext(store);
  } catch {
    throw wrongProperty(
      `ssl.keystore.location: '${path}' cannot be opened with ssl.keystore.password: it must be a PKCS#12 store with that password`,
    );
  }
  return store;
}

function revocations(properties: KafkaProperties): SecureContextOptions {
  const path = properties['ssl.crl.location'] ?? '';
  if (path === '') return {};
  const crl = readWhole('ssl.crl.location', path);
  if (!crl.includes('-----BEGIN X509 CRL-----'))
    throw wrongProperty(`ssl.crl.location: '${path}' holds no list of revoked certificates in PEM`);
  return { crl };
}

function contextOf(options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    throw wrongProperty(
      `The ssl.* properties cannot be used: ${(error as NodeJS.ErrnoException).code ?? 'no TLS context can be made of them'}`,
    );
  }
}

function parsed<T>({ origin }: Pem, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof WrongPem) throw wrongProperty(`${origin} ${error.isWhat}: ${error.whatToDo}`);
    throw error;
  }
}
