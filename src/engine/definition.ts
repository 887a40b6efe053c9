import { clickhouseError } from '../errors.ts';
import { maskSecret, seal, unseal } from './secrets.ts';
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

export type ReadDefinition =
  | { readonly ok: true; readonly definition: Definition; readonly secrets: Readonly<Record<string, string>> }
  /** `reason` is a sentence for a log line and the status. */
  | { readonly ok: false; readonly reason: string };

export const DEFINITION_PREFIX = 'sluice:';
const VERSION = '1';

/** What was added to a table whose definition does not tell: it was written by the first builds. */
const ADDED_AT_FIRST = addedColumns('', {}, new Set()).map(({ name }) => name);

interface Stored extends Definition {
  /** Settings whose value is a secret, as sealed JSON. */
  readonly sealed?: string;
}

/**
 * The comment of a landing table: `sluice:1:` and one line of JSON. `settings` may hold secrets: they are sealed with `secretKey`.
 * Throws SUPPORT_IS_DISABLED when there are secrets and no key.
 */
export function writeDefinition(definition: Definition, secretKey: string | undefined): string {
  const secrets = Object.entries(definition.settings).filter(([name, value]) => value !== '' && maskSecret(name, value) !== value);
  if (secrets.length === 0) return encode(definition);
  if (secretKey === undefined) throw noSecretKey(secrets.map(([name]) => name));
  const hidden = Object.fromEntries(secrets.map(([name, value]) => [name, maskSecret(name, value)]));
  const sealed = seal(JSON.stringify(Object.fromEntries(secrets)), secretKey);
  return encode({ ...definition, settings: { ...definition.settings, ...hidden }, sealed });
}

function encode(stored: Stored): string {
  return `${DEFINITION_PREFIX}${VERSION}:${JSON.stringify(stored)}`;
}

function noSecretKey(names: readonly string[]): Error {
  const text = `${names.join(', ')} cannot be kept: the gateway has no key to seal secrets with, set SLUICE_SECRET_KEY`;
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

/** Reads what `writeDefinition` wrote, secrets put back into `settings`. Never throws. */
export function readDefinition(comment: string, secretKey: string | undefined): ReadDefinition {
  const stored = decode(comment);
  if (typeof stored === 'string') return { ok: false, reason: stored };
  const { sealed, ...definition } = stored;
  if (sealed === undefined) return { ok: true, definition, secrets: {} };
  const opened = secretKey === undefined ? undefined : unseal(sealed, secretKey);
  if (opened === undefined) {
    const why = secretKey === undefined ? 'the gateway has no SLUICE_SECRET_KEY' : 'they were sealed with another SLUICE_SECRET_KEY';
    return { ok: false, reason: `the secrets of its definition cannot be read: ${why}` };
  }
  const secrets = JSON.parse(opened) as Record<string, string>;
  return { ok: true, definition: { ...definition, settings: { ...definition.settings, ...secrets } }, secrets };
}

/** The parts that may be shown, for which no key is needed. Undefined when the comment is no definition this version knows. */
export function readPublicDefinition(comment: string): Definition | undefined {
  const stored = decode(comment);
  return typeof stored === 'string' ? undefined : stored;
}

/** The same comment with another user's comment in it: what ALTER TABLE … MODIFY COMMENT does. Undefined as above. */
export function withUserComment(comment: string, userComment: string): string | undefined {
  const stored = decode(comment);
  return typeof stored === 'string' ? undefined : encode({ ...stored, comment: userComment });
}

/** The stored form, or why it cannot be read. */
function decode(comment: string): Stored | string {
  const [, version = '', json = ''] = /^sluice:([^:]*):(.*)$/s.exec(comment) ?? [];
  if (version !== VERSION) return `its definition has version '${version}', this gateway reads version '${VERSION}'`;
  try {
    const stored: unknown = JSON.parse(json);
    const complete: unknown = typeof stored === 'object' ? { added: ADDED_AT_FIRST, ...stored } : stored;
    return isStored(complete) ? complete : 'its definition is incomplete';
  } catch {
    return 'its definition is damaged';
  }
}

function isStored(value: unknown): value is Stored {
  if (typeof value !== 'object' || value === null) return false;
  const { statement, engine, comment, collection, settings, added, carrierPrefix, sealed } = value as Record<string, unknown>;
  const isText = [statement, engine, comment].every((part) => typeof part === 'string');
  const isOptionalText = [collection, carrierPrefix, sealed].every((part) => part === undefined || typeof part === 'string');
  return isText && isOptionalText && isTextRecord(settings) && isTextRecord(added);
}

/** An object or an array with nothing but text in it. */
function isTextRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every((part) => typeof part === 'string');
}
