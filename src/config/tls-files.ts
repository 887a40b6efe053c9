import type { KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { isLocked, parseCertificates, parseKey, WrongPem } from '../pem.ts';
import { flagOf, SETTINGS, type Config, type ConfigKey, type Settings } from './settings.ts';
import { whyUnreadable } from './unreadable.ts';

type ReadFile = (path: string) => string;

/** The contents of the TLS files, or every sentence that says why one of them cannot be used. */
export type TlsFiles =
  | { readonly ok: true; readonly files: Pick<Config, 'tls' | 'clickhouseCaPem'> }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads the files that the settings name, and checks that they are what they should be and belong together. Never throws. */
export function readTlsFiles(settings: Settings, readFile: ReadFile): TlsFiles {
  const incomplete = [...missingFiles(settings), ...unusedFiles(settings)];
  if (incomplete.length > 0) return { ok: false, problems: incomplete };
  try {
    return { ok: true, files: { tls: readKeyPair(settings, readFile), clickhouseCaPem: readAuthorities(settings, readFile) } };
  } catch (error) {
    if (error instanceof WrongFile) return { ok: false, problems: [error.message] };
    throw error;
  }
}

/** A certificate and its key in PEM, or the sentence that says why the files hold none. */
export type CertificateFiles = { readonly ok: true; readonly tls: Config['tls'] } | { readonly ok: false; readonly problem: string };

/** Reads certificate and key again, which may have been renewed, and checks them as at the start. Never throws. */
export function rereadCertificate(settings: Settings, readFile: ReadFile): CertificateFiles {
  try {
    return { ok: true, tls: readKeyPair(settings, readFile) };
  } catch (error) {
    if (error instanceof WrongFile) return { ok: false, problem: error.message };
    throw error;
  }
}

class WrongFile extends Error {
  constructor(key: ConfigKey, path: string, isWhat: string, whatToDo: string) {
    super(`${SETTINGS[key].name}: the file '${path}' ${isWhat}: ${whatToDo}.`);
  }
}

function missingFiles(settings: Settings): string[] {
  const { name: certificate } = SETTINGS.tlsCertificate;
  const { name: key } = SETTINGS.tlsKey;
  if (settings.tlsCertificate !== undefined && settings.tlsKey === undefined)
    return [`${key} is missing: ${certificate} '${settings.tlsCertificate}' needs its private key, give its file with ${flagOf(key)}.`];
  if (settings.tlsCertificate === undefined && settings.tlsKey !== undefined)
    return [`${certificate} is missing: ${key} '${settings.tlsKey}' needs its certificate, give its file with ${flagOf(certificate)}.`];
  if (settings.tlsCertificate !== undefined) return [];
  return (['httpsPort', 'nativePortSecure'] as const)
    .filter((port) => settings[port] !== 'off')
    .map((port) => `${SETTINGS[port].name} is ${settings[port]}, which needs ${certificate} and ${key}: give both files.`);
}

/** A file that nobody reads is a mistake: somebody believes that passwords are not sent in clear text. */
function unusedFiles(settings: Settings): string[] {
  const problems: string[] = [];
  if (settings.tlsCertificate !== undefined && settings.httpsPort === 'off' && settings.nativePortSecure === 'off')
    problems.push(
      `${SETTINGS.tlsCertificate.name} '${settings.tlsCertificate}' is used by no port: give ${SETTINGS.httpsPort.name} or ${SETTINGS.nativePortSecure.name}, too.`,
    );
  if (settings.clickhouseCa !== undefined && !settings.clickhouseUrl.startsWith('https:') && !settings.clickhouseNativeSecure)
    problems.push(
      `${SETTINGS.clickhouseCa.name} '${settings.clickhouseCa}' is not used: neither is ${SETTINGS.clickhouseUrl.name} an https address nor ${SETTINGS.clickhouseNativeSecure.name} on.`,
    );
  return problems;
}

function readKeyPair({ tlsCertificate, tlsKey }: Settings, readFile: ReadFile): Config['tls'] {
  if (tlsCertificate === undefined || tlsKey === undefined) return undefined;
  const cert = read('tlsCertificate', tlsCertificate, readFile);
  const [own] = parsed('tlsCertificate', tlsCertificate, () => parseCertificates(cert));
  const key = read('tlsKey', tlsKey, readFile);
  if (own !== undefined && !own.checkPrivateKey(parseOwnKey(tlsKey, key)))
    throw new WrongFile('tlsKey', tlsKey, `is not the key of the certificate in '${tlsCertificate}'`, whichKey(own));
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new WrongFile('tlsCertificate', tlsCertificate, `cannot be used (${(error as Error).message})`, 'make a new certificate and key');
  }
  return { cert, key };
}

function whichKey(own: X509Certificate): string {
  return `give the key that the certificate for ${own.subject.replaceAll('\n', ', ') || 'nobody'} was made with; the server's own certificate comes first in its file`;
}

function readAuthorities({ clickhouseCa }: Settings, readFile: ReadFile): string | undefined {
  if (clickhouseCa === undefined) return undefined;
  const pem = read('clickhouseCa', clickhouseCa, readFile);
  parsed('clickhouseCa', clickhouseCa, () => parseCertificates(pem));
  return pem;
}

function read(key: ConfigKey, path: string, readFile: ReadFile): string {
  try {
    return readFile(path);
  } catch (error) {
    throw new WrongFile(key, path, whyUnreadable(error), `give the path of a file in PEM with ${flagOf(SETTINGS[key].name)}`);
  }
}

/** What `parse` makes of the file; what is wrong with it is told with its setting. */
function parsed<T>(key: ConfigKey, path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof WrongPem) throw new WrongFile(key, path, error.isWhat, error.whatToDo);
    throw error;
  }
}

function parseOwnKey(path: string, pem: string): KeyObject {
  if (isLocked(pem))
    throw new WrongFile('tlsKey', path, 'is locked by a passphrase', `unlock it with 'openssl pkey -in ${path} -out FILE'`);
  return parsed('tlsKey', path, () => parseKey(pem));
}
