import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { useClickHouse, useFolder } from '../../helpers/index.ts';
import { useNativeFrontEnd } from './helpers/front-end.ts';
import { NativeClient, useConnection } from './helpers/native-client.ts';

interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** A certificate for `localhost`, signed by itself. */
async function useCertificate(t: ExecutionContext): Promise<Certificate> {
  const folder = await useFolder(t);
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  await promisify(execFile)('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
    ...subject,
  ]);
  return { cert: await readFile(cert), key: await readFile(key) };
}

/** The shared ClickHouse behind TLS; its port. */
async function useTlsServer(t: ExecutionContext, certificate: Certificate): Promise<number> {
  const { nativePort } = await useClickHouse(t);
  const server = createTlsServer(certificate, (socket) => {
    const upstream = connect(nativePort, '127.0.0.1');
    for (const one of [socket, upstream]) one.on('error', () => undefined);
    socket.pipe(upstream).pipe(socket);
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function useTlsClient(t: ExecutionContext, port: number, ca: Buffer): Promise<NativeClient> {
  const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca });
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  return new NativeClient(socket, {});
}

test('a client is served over TLS, and the server is reached over TLS', async (t) => {
  const certificate = await useCertificate(t);
  const upstreamPort = await useTlsServer(t, certificate);
  const upstream = { host: '127.0.0.1', port: upstreamPort, tls: { ca: certificate.cert, servername: 'localhost' } };
  const { port } = await useNativeFrontEnd(t, { tls: certificate, upstream });
  const client = await useTlsClient(t, port, certificate.cert);
  t.is(await client.logIn(), undefined);
  const { rows } = await client.query('SELECT number FROM numbers(1000000)');
  t.is(rows.length, 1_000_000);
  t.deepEqual((await client.query('MARKED ASK SELECT 1')).rows, [['[["1"]]']]);
});

test('a server with a certificate of somebody else is not trusted', async (t) => {
  const certificate = await useCertificate(t);
  const upstreamPort = await useTlsServer(t, certificate);
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: upstreamPort, tls: { servername: 'localhost' } } });
  const client = await useConnection(t, port);
  const exception = await client.logIn();
  t.is(exception?.code, 210);
  t.regex(exception?.message ?? '', /self-signed certificate/);
});

test('a certificate that nobody knows may be allowed', async (t) => {
  const certificate = await useCertificate(t);
  const upstreamPort = await useTlsServer(t, certificate);
  const tls = { servername: 'localhost', rejectUnauthorized: false };
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: upstreamPort, tls } });
  const client = await useConnection(t, port);
  t.is(await client.logIn(), undefined);
});

test('a client without TLS on a TLS port is closed', async (t) => {
  const { port } = await useNativeFrontEnd(t, { tls: await useCertificate(t) });
  const client = await useConnection(t, port);
  await t.throwsAsync(client.logIn(), { name: 'EndOfBytes' });
});
