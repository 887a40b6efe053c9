import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { LOG_LEVELS, type LogLevel } from '../logger.ts';
import { parseHostRules, type HostRules } from '../reach/index.ts';
import { formatByteSize, formatDuration, parseByteSize, parseDurationMs } from './units.ts';

/** How the text of a setting becomes its value. */
export interface SettingType<T> {
  /** The value's place holder in `--help`. */
  readonly placeholder: string;
  /** What a value has to be, a phrase that follows "must be". */
  readonly allowed: string;
  /** The value, or undefined when the text is not one. Never throws. */
  parse(text: string): T | undefined;
  /** The text as it may be shown in a problem; as it is when absent. */
  show?(text: string): string;
}

/** In the place of a port that is not listened on. */
export type Off = 'off';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export const TEXT: SettingType<string> = {
  placeholder: 'TEXT',
  allowed: 'a text that is not empty',
  parse: (text) => (text === '' ? undefined : text),
};

/** As `TEXT`, and may be empty. */
export const PASSWORD: SettingType<string> = { placeholder: 'TEXT', allowed: 'a text', parse: (text) => text };

const LEAST_KEY_LENGTH = 16;

/** A key that others are derived from: what is shorter can be guessed. */
export const KEY: SettingType<string> = {
  placeholder: 'TEXT',
  allowed: `a text of ${LEAST_KEY_LENGTH} characters or more (\`openssl rand -base64 32\` makes one)`,
  parse: (text) => (text.length < LEAST_KEY_LENGTH ? undefined : text),
};

export interface QualifiedName {
  readonly database: string;
  readonly name: string;
}

export const TABLE_NAME: SettingType<QualifiedName> = {
  placeholder: 'DATABASE.TABLE',
  allowed: 'the name of a database and of a table, with a dot between them',
  parse: (text) => {
    const [database, name, ...rest] = text.split('.');
    return database && name && rest.length === 0 ? { database, name } : undefined;
  },
};

export const LISTEN_PORT: SettingType<number> = {
  placeholder: 'PORT',
  allowed: 'a whole number from 0 to 65535 (0 takes a free port)',
  parse: (text) => parsePort(text, 0),
};

/** A port, or `off` for none. */
export const OPTIONAL_LISTEN_PORT: SettingType<number | Off> = {
  placeholder: 'PORT',
  allowed: `${LISTEN_PORT.allowed}, or off`,
  parse: (text) => (text === 'off' ? 'off' : parsePort(text, 0)),
};

export const SWITCH: SettingType<boolean> = {
  placeholder: 'on|off',
  allowed: 'on or off',
  parse: (text) => SWITCH_VALUES.get(text.toLowerCase()),
};

const SWITCH_VALUES: ReadonlyMap<string, boolean> = new Map([
  ['on', true],
  ['true', true],
  ['yes', true],
  ['1', true],
  ['off', false],
  ['false', false],
  ['no', false],
  ['0', false],
]);

/** The path of a file; whether it can be read is checked in tls-files.ts, together with what is in it. */
export const FILE: SettingType<string> = { ...TEXT, placeholder: 'FILE', allowed: 'the path of a file' };

/** An absolute path: nobody should have to know where the gateway was started. */
export const FOLDER: SettingType<string> = {
  placeholder: 'FOLDER',
  allowed: 'the absolute path of a folder',
  parse: (text) => (isAbsolute(text) ? text : undefined),
};

export const LISTEN_HOST: SettingType<string> = {
  placeholder: 'HOST',
  allowed: 'an IP address or a host name without port',
  parse: (text) => (isHost(text) ? text : undefined),
};

export const LOG_LEVEL: SettingType<LogLevel> = {
  placeholder: 'LEVEL',
  allowed: `one of ${LOG_LEVELS.join(', ')}`,
  parse: (text) => LOG_LEVELS.find((level) => level === text),
};

/** An origin without a trailing slash. User info is refused because the URL is shown in logs and error messages. */
export const SERVER_URL: SettingType<string> = {
  placeholder: 'URL',
  allowed:
    'http://host:port or https://host:port, without path and query, and without user and password (those are the settings clickhouse_user and clickhouse_password)',
  parse: parseServerUrl,
  show: (text) => text.replace(/^(\w+:\/*)?.*@/s, '$1***@'),
};

export const HOST_PORT: SettingType<HostPort> = {
  placeholder: 'HOST:PORT',
  allowed: 'host:port with a port from 1 to 65535 (an IPv6 address in brackets)',
  parse: parseHostPort,
};

export const HOST_RULES: SettingType<HostRules> = {
  placeholder: 'HOSTS',
  allowed:
    'entries with commas between them, each a host name, *.suffix, *, address, range such as 10.0.0.0/8 or one of loopback, private and link-local, with :port or :first-last behind it or not (an IPv6 address in brackets), and ! in front when it is refused',
  parse: parseHostRules,
};

export function count(min: number, max: number): SettingType<number> {
  return {
    placeholder: 'NUMBER',
    allowed: `a whole number from ${min} to ${max}`,
    parse: (text) => (/^\d{1,15}$/.test(text) ? within(Number(text), min, max) : undefined),
  };
}

/** Milliseconds from `minMs` to `maxMs`. */
export function durationMs(minMs: number, maxMs: number): SettingType<number> {
  return {
    placeholder: 'DURATION',
    allowed: `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)} such as 500ms, 7.5s or 2m (a plain number is milliseconds)`,
    parse: (text) => within(parseDurationMs(text), minMs, maxMs),
  };
}

/** Bytes from `minBytes` to `maxBytes`. */
export function byteSize(minBytes: number, maxBytes: number): SettingType<number> {
  return {
    placeholder: 'BYTES',
    allowed: `a size from ${formatByteSize(minBytes)} to ${formatByteSize(maxBytes)} such as 64MiB (a plain number is bytes)`,
    parse: (text) => within(parseByteSize(text), minBytes, maxBytes),
  };
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

function parsePort(text: string, min: number): number | undefined {
  return /^\d{1,5}$/.test(text) ? within(Number(text), min, 65535) : undefined;
}

function isHost(text: string): boolean {
  return isIP(text) !== 0 || (/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(text) && !/^[\d.]+$/.test(text));
}

function parseServerUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isPlain = url.username === '' && url.password === '' && url.pathname === '/' && url.search === '' && url.hash === '';
  return isPlain && (url.protocol === 'http:' || url.protocol === 'https:') ? url.origin : undefined;
}

function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = parsePort(match?.[3] ?? '', 1);
  return isHost(host) && port !== undefined ? { host, port } : undefined;
}
