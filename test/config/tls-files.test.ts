import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { loadConfig, printableConfig, type Config } from '../../src/config/index.ts';
import { openssl, useCertificate, useFolder } from '../helpers/index.ts';

function load(argv: readonly string[]): ReturnType<typeof loadConfig> {
  return loadConfig({ argv, env: {}, readFile: (path) => readFileSync(path, 'utf8') });
}

function config(argv: readonly string[]): Config {
  const loaded = load(argv);
  if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));
  return loaded.config;
}

function problems(argv: readonly string[]): readonly string[] {
  const loaded = load(argv);
  return loaded.kind === 'problems' ? loaded.problems : [loaded.kind];
}

test('certificate, key and authorities are read from their files, and only their paths are shown', async (t) => {
  const { cert, key, certFile, keyFile } = await useCertificate(t);
  const argv = ['--https-port=8443', '--tls-certificate', certFile, '--tls-key', keyFile];
  const loaded = config([...argv, '--clickhouse-url=https://ch', '--clickhouse-ca', certFile]);
  t.deepEqual(loaded.tls, { cert: cert.toString(), key: key.toString() });
  t.is(loaded.clickhouseCaPem, cert.toString());
  const shown = printableConfig(loaded);
  t.like(shown, { tls_certificate: certFile, tls_key: keyFile, clickhouse_ca: certFile, https_port: 8443, native_port_secure: 'off' });
  t.notRegex(JSON.stringify(shown), /BEGIN/);
});

test('a chain of certificates and a key of another kind are fine', async (t) => {
  const folder = await useFolder(t);
  const [keyFile, certFile, chainFile] = ['key', 'cert', 'chain'].map((name) => join(folder, name)) as [string, string, string];
  await openssl(['ecparam', '-genkey', '-name', 'prime256v1', '-noout', '-out', keyFile]);
  await openssl(['req', '-x509', '-new', '-key', keyFile, '-subj', '/CN=localhost', '-out', certFile]);
  const other = await useCertificate(t);
  await writeFile(chainFile, `A comment\n${readFileSync(certFile, 'utf8')}${other.cert.toString()}`);
  t.truthy(config(['--native-port-secure=9440', '--tls-certificate', chainFile, '--tls-key', keyFile]).tls);
  t.deepEqual(problems(['--native-port-secure=9440', '--tls-certificate', chainFile, '--tls-key', other.keyFile]), [
    `tls_key: the file '${other.keyFile}' is not the key of the certificate in '${chainFile}': ` +
      `give the key that the certificate for CN=localhost was made with; the server's own certificate comes first in its file.`,
  ]);
});

test('a file that does not exist, is a directory or holds something else is told with its setting', async (t) => {
  const { certFile, keyFile } = await useCertificate(t);
  const folder = await useFolder(t);
  const withFiles = (cert: string, key: string): readonly string[] =>
    problems(['--https-port=8443', '--tls-certificate', cert, '--tls-key', key]);
  t.deepEqual(withFiles('/nonexistent.pem', keyFile), [
    "tls_certificate: the file '/nonexistent.pem' does not exist: give the path of a file in PEM with --tls-certificate.",
  ]);
  t.deepEqual(withFiles(certFile, folder), [
    `tls_key: the file '${folder}' is a directory: give the path of a file in PEM with --tls-key.`,
  ]);
  t.deepEqual(withFiles(keyFile, keyFile), [
    `tls_certificate: the file '${keyFile}' holds no certificate: it must begin with '-----BEGIN CERTIFICATE-----'.`,
  ]);
  t.deepEqual(withFiles(certFile, certFile), [
    `tls_key: the file '${certFile}' holds no private key: it must begin with '-----BEGIN PRIVATE KEY-----' or similar.`,
  ]);
  t.deepEqual(problems(['--clickhouse-url=https://ch', '--clickhouse-ca', keyFile]), [
    `clickhouse_ca: the file '${keyFile}' holds no certificate: it must begin with '-----BEGIN CERTIFICATE-----'.`,
  ]);
});

test('a certificate that is not whole is told', async (t) => {
  const { cert, keyFile } = await useCertificate(t);
  const broken = join(await useFolder(t), 'broken.pem');
  await writeFile(broken, cert.toString().replace(/\n[^\n]{64}\n/, '\n'));
  t.deepEqual(problems(['--https-port=8443', '--tls-certificate', broken, '--tls-key', keyFile]), [
    `tls_certificate: the file '${broken}' holds a broken certificate (number 1): copy it again, whole.`,
  ]);
});

test('a key that is locked is told with the command that unlocks it', async (t) => {
  const { certFile, keyFile } = await useCertificate(t);
  const locked = join(await useFolder(t), 'locked.pem');
  await openssl(['pkey', '-in', keyFile, '-aes256', '-passout', 'pass:secret', '-out', locked]);
  t.deepEqual(problems(['--https-port=8443', '--tls-certificate', certFile, '--tls-key', locked]), [
    `tls_key: the file '${locked}' is locked by a passphrase: unlock it with 'openssl pkey -in ${locked} -out FILE'.`,
  ]);
});

test('over TLS to the server the native port is 9440, unless it is told otherwise', (t) => {
  t.like(config(['--clickhouse-url=https://ch:8443']), {
    clickhouseNative: { host: 'ch', port: 9440 },
    clickhouseNativeSecure: true,
    clickhouseVerify: true,
  });
  t.like(config(['--clickhouse-url=https://ch', '--clickhouse-native-secure=off', '--clickhouse-verify=off']), {
    clickhouseNative: { host: 'ch', port: 9000 },
    clickhouseNativeSecure: false,
    clickhouseVerify: false,
  });
  t.like(config(['--clickhouse-native-secure=yes', '--clickhouse-native=ch:19440']), {
    clickhouseNative: { host: 'ch', port: 19_440 },
    clickhouseNativeSecure: true,
  });
});
