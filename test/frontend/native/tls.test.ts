import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { useCertificate, useClickHouse, useTlsProxy, type Certificate } from '../../helpers/index.ts';
import { useNativeFrontEnd } from './helpers/front-end.ts';
import { NativeClient, useConnection } from './helpers/native-client.ts';

/** The shared ClickHouse behind TLS; its port. */
async function useTlsServer(t: ExecutionContext, certificate: Certificate): Promise<number> {
  return useTlsProxy(t, certificate, (await useClickHouse(t)).nativePort);
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

test('a renewed certificate is shown to whoever connects from then on, and one that cannot be used changes nothing', async (t) => {
  const [first, second] = [await useCertificate(t), await useCertificate(t)];
  const { port, renewCertificate } = await useNativeFrontEnd(t, { tls: first });
  const early = await useTlsClient(t, port, first.cert);
  t.is(await early.logIn(), undefined);
  renewCertificate(second);
  t.throws(() => renewCertificate({ cert: first.cert, key: second.key }), { message: /key values mismatch/ });
  const late = await useTlsClient(t, port, second.cert);
  t.is(await late.logIn(), undefined);
  await t.throwsAsync(useTlsClient(t, port, first.cert), { message: /self-signed certificate/ });
  for (const client of [early, late]) t.deepEqual((await client.query('SELECT 1')).rows, [['1']]);
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
