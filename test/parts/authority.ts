import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './process.ts';

/** A certificate and its key, in PEM, and where they are. */
export interface SignedCertificate {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** Who signs certificates for tests, in a folder that the caller owns. */
export class Authority {
  readonly cert: string;
  readonly certFile: string;
  readonly #folder: string;
  readonly #keyFile: string;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#keyFile = join(folder, `${name}-key.pem`);
    this.certFile = join(folder, `${name}.pem`);
    this.cert = readFileSync(this.certFile, 'utf8');
  }

  static async make(folder: string, name: string): Promise<Authority> {
    const files = ['-keyout', join(folder, `${name}-key.pem`), '-out', join(folder, `${name}.pem`)];
    await openssl(folder, ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`, ...files]);
    return new Authority(folder, name);
  }

  /** A certificate for the host `dns`, or for a client when there is none. */
  async sign(name: string, dns?: string): Promise<SignedCertificate> {
    const [keyFile, certFile, request, extensions] = ['key.pem', 'cert.pem', 'csr', 'ext'].map((end) =>
      join(this.#folder, `${name}-${end}`),
    ) as [string, string, string, string];
    writeFileSync(extensions, dns === undefined ? 'extendedKeyUsage=clientAuth\n' : `subjectAltName=DNS:${dns}\n`);
    await openssl(this.#folder, ['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', request]);
    const by = ['-CA', this.certFile, '-CAkey', this.#keyFile, '-CAcreateserial'];
    await openssl(this.#folder, ['x509', '-req', '-in', request, ...by, '-days', '2', '-extfile', extensions, '-out', certFile]);
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile };
  }
}

async function openssl(folder: string, args: readonly string[]): Promise<void> {
  await runCommand('openssl', args, folder);
}
