import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const keys = new Map<string, Buffer>();

/** `text` encrypted and authenticated (AES-256-GCM) under a key derived from `secretKey`, in base64: nonce, tag, ciphertext. */
export function seal(text: string, secretKey: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keyOf(secretKey), nonce);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
}

/** What `seal` sealed; undefined when it was sealed with another key or is damaged. */
export function unseal(sealed: string, secretKey: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, keyOf(secretKey), bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

/** The configured key may be a pass phrase, so it is stretched; once a process, for it takes a moment. Every gateway must get the same. */
function keyOf(secretKey: string): Buffer {
  const key = keys.get(secretKey) ?? scryptSync(secretKey, 'sluice:definition:1', 32);
  keys.set(secretKey, key);
  return key;
}

const HIDDEN = '[HIDDEN]';

/** Settings that are hidden wholly. */
const SECRET_SETTINGS: ReadonlySet<string> = new Set([
  'kafka_sasl_password',
  'kafka_sasl_oauthbearer_client_secret',
  'kafka_ssl_key_pem',
  'kafka_ssl_key_password',
]);

/** The value of a setting as the server shows it: a password wholly hidden, of a URL only the password in it. */
export function maskSecret(name: string, value: string): string {
  if (SECRET_SETTINGS.has(name)) return HIDDEN;
  return value.replace(/^([a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^:/@?#]*:)[^@/]*@/, `$1${HIDDEN}@`);
}
