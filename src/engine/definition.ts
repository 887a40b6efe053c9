import { clickhouseError } from '../errors.ts';
import { seal, sign } from './seal.ts';
import { isSecret, maskSecret } from './secrets.ts';
import { addedColumns } from './virtual-columns.ts';

/** What a landing table's comment tells about the Kafka table it stands for. */
export interface Definition {
  /** CREATE TABLE as the user wrote it, secrets hidden. */
  readonly statement: string;
  /** ENGINE and SETTINGS clauses as SHOW CREATE TABLE prints them. */
  readonly engine: string;
  /** The user's own comment; '' when there is none. */
  readonly comment: string;
  /** The named collection that the table takes settings from; absent: it takes none. */
  readonly collection?: string;
  /** Values of the engine's and of format settings by name that the statement gives, arguments included, macros not expanded. */
  readonly settings: Readonly<Record<string, string>>;
  /** Names of the columns that the gateway added to the landing table. */
  readonly added: readonly string[];
  /** Beginning of the names of the carriers among them; absent: the table has none. */
  readonly carrierPrefix?: string;
}

/** The configured keys. `old` only reads, while a key is being changed. Without `current` definitions are neither signed nor checked. */
export interface SecretKeys {
  readonly current: string | undefined;
  readonly old?: string | undefined;
}

/**
 * What a definition is bound to, so that its copy at another table is worth nothing: the table's UUID, or, where the gateway cannot choose that, the database.
 */
export type Place = `uuid:${string}` | `database:${string}`;

export function placeOfUuid(uuid: string): Place {
  return `uuid:${uuid.toLowerCase()}`;
}

export function placeOfDatabase(database: string): Place {
  return `database:${database}`;
}

/**
 * Whether a table in a database of this engine gets the UUID that its statement names. A UUID of our own choice is the only one that can be known before the table is
 * made; other databases refuse it (Replicated), change it or have none (Memory).
 */
export function takesUuids(databaseEngine: string | undefined): boolean {
  return databaseEngine === 'Atomic';
}

export const DEFINITION_PREFIX = 'sluice:';
const VERSION = '2';
/** Of the first builds: not signed, secrets sealed but bound to nothing. */
const FIRST_VERSION = '1';

/** What was added to a table whose definition does not tell: it was written by the first builds. */
const ADDED_AT_FIRST = addedColumns('', {}, new Set()).map(({ name }) => name);

/**
 * `sealed` is bound to all that stands before it but the user's comment (which ALTER TABLE … MODIFY COMMENT changes), the place among it, and the signature is made
 * over that and `sealed`. So a sealed password can be opened as part of its own definition only: neither in another one that somebody wrote around it nor in this
 * one with another broker, even where nobody looks at the signature.
 */
export interface Stored extends Definition {
  /** Absent in one that was written without a key. */
  readonly place?: string;
  /** Settings whose value is a secret, as sealed JSON. */
  readonly sealed?: string;
  readonly signature?: string;
}

export interface Decoded {
  readonly stored: Stored;
  readonly isFirst: boolean;
}

/**
 * The comment of a landing table: `sluice:2:` and one line of JSON. `settings` may hold secrets: they are sealed, and all of it is signed, with the current key.
 * Throws SUPPORT_IS_DISABLED when there are secrets and no key.
 */
export function writeDefinition(definition: Definition, place: Place, { current }: SecretKeys): string {
  const secrets = Object.entries(definition.settings).filter(([name, value]) => isSecret(name, value));
  const hidden = Object.fromEntries(secrets.map(([name, value]) => [name, maskSecret(name, value)]));
  const shown = { ...definition, settings: { ...definition.settings, ...hidden } };
  if (current === undefined) {
    if (secrets.length > 0) throw noSecretKey(secrets.map(([name]) => name));
    return encode(shown);
  }
  const placed = { ...shown, place };
  const sealed = secrets.length === 0 ? {} : { sealed: seal(JSON.stringify(Object.fromEntries(secrets)), current, boundText(placed)) };
  const complete = { ...placed, ...sealed };
  return encode({ ...complete, signature: sign(signedText(complete), current) });
}

export function boundText({ comment: _comment, sealed: _sealed, signature: _signature, ...bound }: Stored): string {
  return JSON.stringify(bound);
}

export function signedText({ comment: _comment, signature: _signature, ...signed }: Stored): string {
  return JSON.stringify(signed);
}

function encode(stored: Stored, version = VERSION): string {
  return `${DEFINITION_PREFIX}${version}:${JSON.stringify(stored)}`;
}

function noSecretKey(names: readonly string[]): Error {
  const text =
    `${names.join(', ')} cannot be kept: the gateway has no key to seal secrets with. Give every gateway the same SLUICE_SECRET_KEY, 32 random characters or more ` +
    "(`openssl rand -base64 32`), or put the credentials into the gateway's configuration instead";
  return clickhouseError('SUPPORT_IS_DISABLED', text);
}

/** Whether the gateway added that column to the landing table of `definition`; a user's own column may have the name of a virtual one. */
export function isAddedColumn(
  definition: Definition,
  column: { readonly name: string; readonly defaultKind?: string | undefined },
): boolean {
  return /^(?:MATERIALIZED|EPHEMERAL)$/.test(column.defaultKind ?? '') && definition.added.includes(column.name);
}

/** Whether a table with that comment is one of the gateway's, whatever its version. */
export function isDefinition(comment: string): boolean {
  return comment.startsWith(DEFINITION_PREFIX);
}

/** The parts that may be shown, for which no key is needed; whether anybody signed them is not asked. Undefined when the comment is no definition this version knows. */
export function readPublicDefinition(comment: string): Definition | undefined {
  const decoded = decode(comment);
  return typeof decoded === 'string' ? undefined : publicPart(decoded.stored);
}

export function publicPart({ place: _place, sealed: _sealed, signature: _signature, ...definition }: Stored): Definition {
  return definition;
}

/** The same comment with another user's comment in it: what ALTER TABLE … MODIFY COMMENT does. Undefined as above. */
export function withUserComment(comment: string, userComment: string): string | undefined {
  const decoded = decode(comment);
  if (typeof decoded === 'string') return undefined;
  return encode({ ...decoded.stored, comment: userComment }, decoded.isFirst ? FIRST_VERSION : VERSION);
}

/** The stored form, or why it cannot be read. */
export function decode(comment: string): Decoded | string {
  const [, version = '', json = ''] = /^sluice:(\d{1,9}):(.*)$/s.exec(comment) ?? [];
  const isFirst = version === FIRST_VERSION;
  if (version !== VERSION && !isFirst) return `its definition has version '${version}', this gateway reads version '${VERSION}'`;
  try {
    const stored: unknown = JSON.parse(json);
    const complete: unknown = isFirst && typeof stored === 'object' ? { added: ADDED_AT_FIRST, ...stored } : stored;
    if (!isStored(complete)) return 'its definition is incomplete';
    // What is signed is what the text says: the text must be the one way to say it.
    return isFirst || JSON.stringify(complete) === json ? { stored: complete, isFirst } : 'its definition is damaged';
  } catch {
    return 'its definition is damaged';
  }
}

function isStored(value: unknown): value is Stored {
  if (typeof value !== 'object' || value === null) return false;
  const { statement, engine, comment, collection, settings, added, carrierPrefix, place, sealed, signature } = value as Record<
    string,
    unknown
  >;
  const isText = [statement, engine, comment].every((part) => typeof part === 'string');
  const isOptionalText = [collection, carrierPrefix, place, sealed, signature].every(
    (part) => part === undefined || typeof part === 'string',
  );
  return isText && isOptionalText && isTextRecord(settings) && isTextRecord(added);
}

/** An object or an array with nothing but text in it. */
function isTextRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every((part) => typeof part === 'string');
}
