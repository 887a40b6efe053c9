import { blankLiterals } from '../sql/index.ts';

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
