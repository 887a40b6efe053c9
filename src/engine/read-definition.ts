import {
  boundText,
  decode,
  placeOfDatabase,
  placeOfUuid,
  publicPart,
  signedText,
  writeDefinition,
  type Decoded,
  type Definition,
  type Place,
  type SecretKeys,
  type Stored,
} from './definition.ts';
import { isSigned, unseal, unsealFirst } from './seal.ts';

/** The table that a comment was found at. */
export interface DefinedTable {
  readonly database: string;
  readonly uuid: string;
}

export type ReadDefinition =
  | { readonly ok: true; readonly definition: Definition; readonly secrets: Readonly<Record<string, string>> }
  /** `reason` is a sentence for a log line and the status. */
  | { readonly ok: false; readonly reason: string };

/**
 * Reads what `writeDefinition` wrote, secrets put back into `settings`. With a key, only what was signed with it (or the old one) for this table; without, anything
 * that holds no secrets, for it cannot be checked. Never throws.
 */
export function readDefinition(comment: string, table: DefinedTable, keys: SecretKeys): ReadDefinition {
  const decoded = decode(comment);
  if (typeof decoded === 'string') return { ok: false, reason: decoded };
  const { trust, key } = judge(decoded, table, keys);
  return keys.current === undefined || trust === 'signed' ? open(decoded, key) : { ok: false, reason: UNTRUSTED[trust](decoded.stored) };
}

/** What is to be done with a table's comment when keys change. */
export type Renewal =
  /** Signed by the current key for this table. */
  | { readonly kind: 'current' }
  /** `comment` says the same under the current key. */
  | { readonly kind: 'renewed'; readonly comment: string }
  /** As `renewed`, but nobody has signed it, or it was signed for another table: a person should look at `definition` first. */
  | { readonly kind: 'unsigned' | 'moved'; readonly comment: string; readonly definition: Definition; readonly reason: string }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** The definition of `table` sealed and signed anew with the current key, which there must be; bound to `place`. */
export function renewDefinition(comment: string, table: DefinedTable, place: Place, keys: SecretKeys): Renewal {
  const decoded = decode(comment);
  if (typeof decoded === 'string') return { kind: 'unreadable', reason: decoded };
  const { trust, key } = judge(decoded, table, keys);
  if (trust === 'forged') return { kind: 'unreadable', reason: UNTRUSTED.forged() };
  if (trust === 'signed' && key === keys.current) return { kind: 'current' };
  const read = trust === 'unsigned' ? openUnsigned(decoded, keys) : open(decoded, key);
  if (!read.ok) return { kind: 'unreadable', reason: read.reason };
  const renewed = writeDefinition(read.definition, place, keys);
  if (trust === 'signed') return { kind: 'renewed', comment: renewed };
  return { kind: trust, comment: renewed, definition: publicPart(decoded.stored), reason: UNTRUSTED[trust](decoded.stored) };
}

interface Judgement {
  readonly trust: 'signed' | 'moved' | 'unsigned' | 'forged';
  /** The key that signed it, or, where nobody can tell, the current one. */
  readonly key: string | undefined;
}

function judge({ stored }: Decoded, table: DefinedTable, { current, old }: SecretKeys): Judgement {
  const { signature } = stored;
  if (signature === undefined || current === undefined) return { trust: 'unsigned', key: current };
  const key = [current, old].find((one) => one !== undefined && isSigned(signedText(stored), signature, one));
  if (key === undefined) return { trust: 'forged', key: current };
  const places: readonly string[] = [placeOfUuid(table.uuid), placeOfDatabase(table.database)];
  return { trust: places.includes(stored.place ?? '') ? 'signed' : 'moved', key };
}

const COMMAND = 'sluice rotate-secret-key';

/** Why a definition is not run. */
const UNTRUSTED = {
  forged: () =>
    'its definition was signed with another SLUICE_SECRET_KEY, or changed past the gateways: give all of them the same key (old_secret_key while it is changed), or make the table anew',
  moved: ({ place }: Stored) =>
    `its definition was signed for another table (${place ?? ''}) and copied, restored or moved here past the gateways: \`${COMMAND}\` shows such definitions, with --sign-moved it signs them`,
  unsigned: () =>
    `its definition is not signed, so anybody may have written it: \`${COMMAND}\` shows such definitions, with --sign-unsigned it signs them`,
  signed: () => '',
} as const satisfies Record<Judgement['trust'], (stored: Stored) => string>;

const WRONG_KEY = 'they were sealed with another SLUICE_SECRET_KEY';

function open({ stored, isFirst }: Decoded, key: string | undefined): ReadDefinition {
  const { sealed } = stored;
  const definition = publicPart(stored);
  if (sealed === undefined) return { ok: true, definition, secrets: {} };
  if (key === undefined) return unopened('the gateway has no SLUICE_SECRET_KEY');
  const opened = isFirst ? unsealFirst(sealed, key) : unseal(sealed, key, boundText(stored));
  if (opened === undefined) return unopened(WRONG_KEY);
  const secrets = JSON.parse(opened) as Record<string, string>;
  return { ok: true, definition: { ...definition, settings: { ...definition.settings, ...secrets } }, secrets };
}

function openUnsigned(decoded: Decoded, { current, old }: SecretKeys): ReadDefinition {
  const read = open(decoded, current);
  return read.ok || old === undefined ? read : open(decoded, old);
}

function unopened(why: string): ReadDefinition {
  return { ok: false, reason: `the secrets of its definition cannot be read: ${why}` };
}
