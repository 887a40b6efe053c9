import type { Server } from 'node:net';
import { Server as TlsServer } from 'node:tls';

/** In PEM. */
export interface OwnCertificate {
  /** The certificate, followed by the intermediate ones. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** Whoever connects from now on sees this certificate. Throws when it cannot be used (the one before goes on), and for a port without TLS. */
export function renewCertificate(server: Server, tls: OwnCertificate): void {
  if (!(server instanceof TlsServer)) throw new Error('a port without TLS has no certificate');
  server.setSecureContext(tls);
}
