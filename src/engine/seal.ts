import { createCipheriv, createDecipheriv, createHmac, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/**
 * What is made of the configured key: one key to seal with and another to sign with, so that neither says anything of the other. The texts that they are used on
 * begin with different words, too.
 */
interface DerivedKeys {
  readonly sealing: Buffer;
  readonly signing: Buffer;
}

const SEALED = 'sluice:definition:2:sealed\0';
const SIGNED = 'sluice:definition:2:signed\0';

/**
 * `text` encrypted and authenticated (AES-256-GCM), in base64: nonce, tag, ciphertext. It can be opened again only together with the same `context`, which is
 * authenticated with it and not kept.
 */
export function seal(text: string, secretKey: string, context: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keysOf(secretKey).sealing, nonce).setAAD(Buffer.from(SEALED + context));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
}

/** What `seal` sealed; undefined when it was sealed with another key or context, or is damaged. */
export function unseal(sealed: string, secretKey: string, context: string): string | undefined {
  return open(sealed, keysOf(secretKey).sealing, SEALED + context);
}

/** What the first builds sealed: under a key of its own, and bound to nothing. */
export function unsealFirst(sealed: string, secretKey: string): string | undefined {
  return open(sealed, firstKeyOf(secretKey), '');
}

function open(sealed: string, key: Buffer, context: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

/** HMAC-SHA-256 of `text`, in base64. */
export function sign(text: string, secretKey: string): string {
  return createHmac('sha256', keysOf(secretKey).signing).update(SIGNED).update(text).digest('base64');
}

/** Whether `signature` is what `sign` gives; takes as long for a wrong one, wherever it is wrong. */
export function isSigned(text: string, signature: string, secretKey: string): boolean {
  const expected = Buffer.from(sign(text, secretKey));
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

const derived = new Map<string, Buffer>();

/** The configured key may be a pass phrase, so it is stretched; once a process, for it takes a moment. Every gateway must get the same. */
function stretch(secretKey: string, salt: string, bytes: number): Buffer {
  const name = JSON.stringify([salt, secretKey]);
  const key = derived.get(name) ?? scryptSync(secretKey, salt, bytes);
  derived.set(name, key);
  return key;
}

function keysOf(secretKey: string): DerivedKeys {
  const key = stretch(secretKey, 'sluice:definition:2', 2 * KEY_BYTES);
  return { sealing: key.subarray(0, KEY_BYTES), signing: key.subarray(KEY_BYTES) };
}

function firstKeyOf(secretKey: string): Buffer {
  return stretch(secretKey, 'sluice:definition:1', KEY_BYTES);
}
