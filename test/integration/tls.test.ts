import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { createClient } from '@clickhouse/client';
import test, { type ExecutionContext } from 'ava';
import { usePythonDriver } from '../clients/python/driver.ts';
import { NativeClient } from '../frontend/native/helpers/native-client.ts';
import { useGateway } from '../helpers/gateway.ts';
import { freePort, useCertificate, useClickHouse, useTlsProxy, waitFor, type Certificate } from '../helpers/index.ts';
import { useStream } from '../helpers/stream.ts';
import type { GatewayPart } from '../parts/gateway.ts';

const run = promisify(execFile);

interface TlsGateway {
  readonly gateway: GatewayPart;
  readonly certificate: Certificate;
  readonly httpsPort: number;
  readonly nativePortSecure: number;
}

/** A gateway that serves TLS beside its plain ports, and reaches the shared server over TLS, both ways. */
async function useTlsGateway(t: ExecutionContext): Promise<TlsGateway> {
  const certificate = await useCertificate(t);
  const server = await useTlsServer(t, certificate);
  const [httpsPort, nativePortSecure] = [await freePort(), await freePort()];
  const gateway = await useGateway(t, {
    clickHouseUrl: `https://localhost:${server.httpsPort}`,
    env: {
      SLUICE_CLICKHOUSE_NATIVE: `localhost:${server.nativePort}`,
      SLUICE_CLICKHOUSE_CA: certificate.certFile,
      SLUICE_HTTPS_PORT: String(httpsPort),
      SLUICE_NATIVE_PORT_SECURE: String(nativePortSecure),
      SLUICE_TLS_CERTIFICATE: certificate.certFile,
      SLUICE_TLS_KEY: certificate.keyFile,
    },
  });
  return { gateway, certificate, httpsPort, nativePortSecure };
}

async function useTlsServer(t: ExecutionContext, certificate: Certificate): Promise<{ httpsPort: number; nativePort: number }> {
  const { httpPort, nativePort } = await useClickHouse(t);
  return { httpsPort: await useTlsProxy(t, certificate, httpPort), nativePort: await useTlsProxy(t, certificate, nativePort) };
}

test.serial('curl, @clickhouse/client and clickhouse-driver are served over TLS, by a server that is reached over TLS', async (t) => {
  const { gateway, certificate, httpsPort, nativePortSecure } = await useTlsGateway(t);
  const url = `https://localhost:${httpsPort}`;
  const select = '?query=SELECT+sum(number)+FROM+numbers(1000)';
  t.is((await run('curl', ['-sS', '--cacert', certificate.certFile, `${url}/${select}`])).stdout, '499500\n');
  t.is((await run('curl', ['-sS', `${gateway.url}/${select}`])).stdout, '499500\n');
  // Exit code 60: whoever does not know the certificate is not talked to.
  t.is((await t.throwsAsync<Error & { code?: number }>(run('curl', ['-sS', `${url}/${select}`]))).code, 60);

  const client = createClient({ url, tls: { ca_cert: certificate.cert }, compression: { request: true, response: true } });
  t.teardown(async () => client.close());
  const result = await client.query({ query: 'SELECT number FROM numbers(300000)', format: 'JSONEachRow' });
  t.is((await result.json()).length, 300_000);

  const script = `import sys
from clickhouse_driver import Client
client = Client('localhost', int(sys.argv[1]), secure=True, ca_certs=sys.argv[2], compression='lz4')
print(client.execute('SELECT sum(number), count() FROM numbers(1000)'))
print(len(client.execute('SELECT number FROM numbers(300000)')))`;
  const driver = await run(await usePythonDriver(), ['-c', script, String(nativePortSecure), certificate.certFile]);
  t.is(driver.stdout, '[(499500, 1000)]\n300000\n');
  const plain = await run(await usePythonDriver(), ['-c', script.replace('secure=True', 'secure=False'), String(gateway.nativePort), '']);
  t.is(plain.stdout, '[(499500, 1000)]\n300000\n');
});

test.serial('a Kafka table is created and read with every connection to the server over TLS', async (t) => {
  const { gateway } = await useTlsGateway(t);
  const stream = await useStream(t, { gateway });
  await stream.kafka.produce(stream.topic, ['{"id": 1}', '{"id": 2}']);
  await stream.sql(
    'CREATE TABLE target (id UInt64) ENGINE = MergeTree ORDER BY id',
    `CREATE TABLE queue (id UInt64) ${stream.engine()}`,
    'CREATE MATERIALIZED VIEW view TO target AS SELECT * FROM queue',
  );
  await stream.answers('SELECT count(), sum(id) FROM target', '2\t3');
});

/** What `/ready` and a query say when the server's certificate is not good. */
async function complaints(t: ExecutionContext, env: Record<string, string>, host: string): Promise<[ready: string, query: string]> {
  const certificate = await useCertificate(t);
  const server = await useTlsServer(t, certificate);
  const ca = env['SLUICE_CLICKHOUSE_CA'] === 'its own' ? { SLUICE_CLICKHOUSE_CA: certificate.certFile } : {};
  const gateway = await useGateway(t, {
    clickHouseUrl: `https://${host}:${server.httpsPort}`,
    waitUntilReady: false,
    env: { ...env, ...ca, SLUICE_CLICKHOUSE_NATIVE: `${host}:${server.nativePort}` },
  });
  const ready = await waitFor(async () => {
    const text = await (await fetch(`${gateway.adminUrl}/ready`)).text();
    return text.includes('not been read yet') ? '' : text;
  });
  const query = await fetch(`${gateway.url}/?query=SELECT+1`);
  return [ready, await query.text()];
}

test.serial('a server whose certificate nobody vouches for is not trusted, and both ends say so', async (t) => {
  const [ready, query] = await complaints(t, {}, 'localhost');
  t.regex(ready, /self-signed certificate/);
  t.regex(query, /^Code: 210\. DB::Exception: Cannot connect to ClickHouse at .*\(self-signed certificate\)/);
});

test.serial('a server whose certificate is for another name is not trusted', async (t) => {
  const [ready, query] = await complaints(t, { SLUICE_CLICKHOUSE_CA: 'its own' }, '127.0.0.1');
  t.regex(ready, /IP: 127\.0\.0\.1 is not in the cert's list/);
  t.regex(query, /^Code: 210\. DB::Exception: Cannot connect to ClickHouse at .*IP: 127\.0\.0\.1 is not in the cert's list/);
});

test.serial('a server without TLS behind an https address is told as such', async (t) => {
  const { httpPort } = await useClickHouse(t);
  const gateway = await useGateway(t, { clickHouseUrl: `https://localhost:${httpPort}`, waitUntilReady: false });
  const query = await (await fetch(`${gateway.url}/?query=SELECT+1`)).text();
  t.regex(query, /^Code: 210\. DB::Exception: Cannot connect to ClickHouse at https:/);
});

test.serial('checking can be turned off', async (t) => {
  const [, query] = await complaints(t, { SLUICE_CLICKHOUSE_VERIFY: 'off' }, '127.0.0.1');
  t.is(query, '1\n');
});

test.serial('a gateway with TLS ports only opens no others', async (t) => {
  const certificate = await useCertificate(t);
  const httpsPort = await freePort();
  const gateway = await useGateway(t, {
    env: {
      SLUICE_HTTP_PORT: 'off',
      SLUICE_NATIVE_PORT: 'off',
      SLUICE_HTTPS_PORT: String(httpsPort),
      SLUICE_TLS_CERTIFICATE: certificate.certFile,
      SLUICE_TLS_KEY: certificate.keyFile,
    },
  });
  const { stdout } = await run('curl', ['-sS', '--cacert', certificate.certFile, `https://localhost:${httpsPort}/ping`]);
  t.is(stdout, 'Ok.\n');
  await t.throwsAsync(fetch(gateway.url));
  // A client without TLS gets no HTTP answer, and the next one with TLS is served.
  await t.throwsAsync(run('curl', ['-sS', `http://localhost:${httpsPort}/ping`]));
  await t.notThrowsAsync(run('curl', ['-sS', '--cacert', certificate.certFile, `https://localhost:${httpsPort}/ping`]));
  t.is(await gateway.stop(), 0);
});

/** The certificate that a new connection to this port sees. */
async function certificateOf(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerX509Certificate()?.toString() ?? '';
  socket.destroy();
  return certificate.trim();
}

test.serial('a renewed certificate is taken at SIGHUP, and one that cannot be used is told and changes nothing', async (t) => {
  const { gateway, certificate, nativePortSecure, httpsPort } = await useTlsGateway(t);
  const seen = async (): Promise<string[]> => Promise.all([nativePortSecure, httpsPort].map(certificateOf));
  const [first, second] = [certificate.cert.toString().trim(), await useCertificate(t)];
  const hangUpUntil = async (message: string): Promise<void> => {
    process.kill(gateway.pid, 'SIGHUP');
    await waitFor(() => gateway.logs().includes(message), { message });
  };
  const early = connect({ port: nativePortSecure, host: '127.0.0.1', servername: 'localhost', ca: first });
  t.teardown(() => early.destroy());
  const client = new NativeClient(early, {});
  t.is(await client.logIn(), undefined);
  t.deepEqual(await seen(), [first, first]);

  await writeFile(certificate.certFile, second.cert);
  await hangUpUntil(`"problem":"tls_key: the file '${certificate.keyFile}' is not the key of the certificate`);
  t.deepEqual(await seen(), [first, first]);

  await writeFile(certificate.keyFile, second.key);
  await hangUpUntil('"msg":"certificate renewed"');
  const renewed = second.cert.toString().trim();
  t.deepEqual(await seen(), [renewed, renewed]);
  t.deepEqual((await client.query('SELECT 1')).rows, [['1']]);
});

test.serial('a key that does not belong to the certificate stops the start with a sentence', async (t) => {
  const [one, other] = [await useCertificate(t), await useCertificate(t)];
  const env = {
    SLUICE_HTTPS_PORT: String(await freePort()),
    SLUICE_TLS_CERTIFICATE: one.certFile,
    SLUICE_TLS_KEY: other.keyFile,
  };
  const error = await t.throwsAsync(useGateway(t, { env }));
  t.regex(error.message, /ended with code 2/);
  t.true(error.message.includes(`sluice: tls_key: the file '${other.keyFile}' is not the key of the certificate in '${one.certFile}'`));
});
