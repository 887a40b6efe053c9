import { clickhouseError } from '../errors.ts';
import { blankLiterals, quoteString } from '../sql/index.ts';

/**
 * Settings whose whole value is a secret: the one list of them. What is in here is sealed in definitions and shown as `[HIDDEN]`, whether or not the engine knows
 * a setting of that name. Of an address only the password in it is a secret (`maskSecret`).
 */
export const SECRET_SETTINGS: ReadonlySet<string> = new Set([
  'kafka_sasl_password',
  'kafka_sasl_oauthbearer_client_secret',
  'kafka_sasl_oauthbearer_config',
  'kafka_ssl_key_pem',
  'kafka_ssl_key_password',
  'kafka_ssl_keystore_password',
  'kafka_aws_secret_access_key',
  'kafka_aws_session_token',
]);

const HIDDEN = '[HIDDEN]';

/** A setting that holds addresses, or an address in whatever setting. */
const ADDRESS_SETTING = /ur[il]/i;
const ADDRESS = /^\s*[a-z][a-z0-9+.-]*:[/\\]{2}/i;

/**
 * The value of a setting as the server shows it: a password wholly hidden, of an address only the password in it. Addresses that no parser would take are written,
 * too (a password with an unescaped `/` or `@`), so what is hidden reaches to the last `@`, from the user's colon on, or, where that is not certain, from the beginning
 * (a user without a password may be a token): rather too much than too little.
 */
export function maskSecret(name: string, value: string): string {
  if (SECRET_SETTINGS.has(name)) return value === '' ? '' : HIDDEN;
  if (!value.includes('@') || (!ADDRESS_SETTING.test(name) && !ADDRESS.test(value))) return value;
  return value.replace(/^(\s*(?:[a-z][a-z0-9+.-]*:(?=[/\\]))?[/\\]*(?:[^:@/\\]*:)?).*@/is, `$1${HIDDEN}@`);
}

/** Whether a setting of that name may hold a secret, whatever its value. */
export function mayBeSecret(name: string): boolean {
  return SECRET_SETTINGS.has(name) || ADDRESS_SETTING.test(name);
}

/** Whether the value holds something that must not be shown. */
export function isSecret(name: string, value: string): boolean {
  return maskSecret(name, value) !== value;
}

/** Words that a secret stands beside, also misspelt ones, and passwords in addresses. */
const SECRETIVE_NAME = /pass?w|pwd|secret|sasl|token|credential|ssl_key|key_pem|registry_url/i;
const SECRETIVE = new RegExp(`${SECRETIVE_NAME.source}|://[^'\\s]*@`, 'i');

/** Whether secrets may stand in a text that cannot be read; in doubt it says yes. */
export function mayHoldSecrets(text: string): boolean {
  return SECRETIVE.test(text);
}

/** A statement that cannot be read, without what may be secrets in it; everything else stays where it is. A text without any stays as it is. */
export function withoutPossibleSecrets(text: string): string {
  return mayHoldSecrets(text) ? blankLiterals(text, (word) => SECRETIVE_NAME.test(word)) : text;
}

/** Without those whose values are secrets: these go in the statement (`secretSettingsClause`). */
export function withoutSecretSettings(settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).filter(([name, value]) => !isSecret(name, value)));
}

/**
 * The secrets among settings as a clause of a statement in a request's body, or '' when there are none. There the server hides them in whatever it logs; in a request's
 * address it would log them, and `Settings` of its query log would show them.
 */
export function secretSettingsClause(settings: Readonly<Record<string, string>>): string {
  const secrets = Object.entries(settings).filter(([name, value]) => isSecret(name, value));
  if (secrets.length === 0) return '';
  return ` SETTINGS ${secrets.map(([name, value]) => `${name} = ${quoteString(value)}`).join(', ')}, ${NOT_LOGGED}`;
}

/** Beside a secret setting in a clause. */
export const NOT_LOGGED = 'log_query_settings = 0';

/** What an address with a password must be like; an address that nothing can be made of would be quoted in errors of the server's. */
const SOUND_ADDRESS = /^https?:\/\/(?:[^:@/?#\\\s]*(?::[^@/?#\\\s]*)?@)?(?:\[[^\]@]*\]|[^:@/?#\\\s]+)(?::\d+)?(?:[/?#].*)?$/i;

/** Throws BAD_ARGUMENTS for an address that holds a secret in a place where no reader would look for it. */
export function checkSecretAddress(name: string, value: string): void {
  if (SECRET_SETTINGS.has(name) || !isSecret(name, value) || SOUND_ADDRESS.test(value)) return;
  const text = `${name} is no address: it must be http://user:password@host:port, with /, @, : and the like in user and password written as %2F, %40, %3A`;
  throw clickhouseError('BAD_ARGUMENTS', text);
}
