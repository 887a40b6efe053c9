import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { useFolder } from './folders.ts';

export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate for `localhost` alone (not for 127.0.0.1), signed by itself: whoever is to trust it gets `cert` as authority. */
export async function useCertificate(t: ExecutionContext): Promise<Certificate> {
  const folder = await useFolder(t);
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  await openssl(['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', keyFile, '-out', certFile, ...subject]);
  return { cert: await readFile(certFile), key: await readFile(keyFile), certFile, keyFile };
}

export async function openssl(args: readonly string[]): Promise<void> {
  await promisify(execFile)('openssl', args);
}

/** TLS in front of a port of 127.0.0.1, since libchdb speaks none; its own port. */
export async function useTlsProxy(t: ExecutionContext, certificate: Certificate, port: number): Promise<number> {
  const server = createServer({ cert: certificate.cert, key: certificate.key }, (socket) => {
    const upstream = connect(port, '127.0.0.1');
    for (const [one, other] of [[socket, upstream] as const, [upstream, socket] as const]) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
    socket.pipe(upstream).pipe(socket);
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}
