import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';

/** Why a text is not the PEM that it should be. */
export class WrongPem extends Error {
  /** A phrase that follows what the text is called. */
  readonly isWhat: string;
  readonly whatToDo: string;

  constructor(isWhat: string, whatToDo: string) {
    super(`${isWhat}: ${whatToDo}`);
    this.isWhat = isWhat;
    this.whatToDo = whatToDo;
  }
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** The certificates in a text, one at least. Throws `WrongPem`, which quotes nothing of it. */
export function parseCertificates(pem: string): X509Certificate[] {
  const texts = pem.match(CERTIFICATE) ?? [];
  if (texts.length === 0) throw new WrongPem('holds no certificate', `it must begin with '-----BEGIN CERTIFICATE-----'`);
  return texts.map((text, i) => {
    try {
      return new X509Certificate(text);
    } catch {
      throw new WrongPem(`holds a broken certificate (number ${i + 1})`, 'copy it again, whole');
    }
  });
}

// Both ways of PEM to say it.
const LOCKED = /BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/;

/** Whether a private key in PEM is encrypted. */
export function isLocked(pem: string): boolean {
  return LOCKED.test(pem);
}

/** The private key in a text. Throws `WrongPem`, which quotes nothing of it. */
export function parseKey(pem: string, passphrase?: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, ...(passphrase !== undefined && { passphrase }) });
  } catch {
    if (isLocked(pem) && passphrase !== undefined) throw new WrongPem('is not unlocked by its password', 'give the one it was locked with');
    throw new WrongPem('holds no private key', `it must begin with '-----BEGIN PRIVATE KEY-----' or similar`);
  }
}
