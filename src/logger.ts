import { pino, type Logger } from 'pino';

/**
 * Log lines are JSON: a constant lower-case phrase in `msg`, values in fields with fixed names
 * (`table topic partition offset group rows bytes duration_ms query_id err`). Healthy running is quiet.
 */
export type { Logger };

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The process's logger, writing to standard error so that standard output stays for answers (`--help`, `--version`). */
export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: errorFields },
      hooks: { streamWrite: withoutPasswords },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

/** Of an error that anything may have thrown: its other fields may hold what it was about (an address that cannot be read, the settings of a connection). */
const TOLD_OF_ERRORS = [
  'name',
  'type',
  'code',
  'errno',
  'syscall',
  'exceptionName',
  'outcome',
  'broker',
  'topic',
  'partition',
  'retriable',
] as const;

function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : typeof error;
  const told: Record<string, unknown> = { type: error.constructor.name, message: error.message, stack: error.stack };
  for (const field of TOLD_OF_ERRORS) {
    const value = (error as unknown as Record<string, unknown>)[field];
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') told[field] = value;
  }
  if (error.cause !== undefined) told['cause'] = errorFields(error.cause);
  if (error instanceof AggregateError) told['errors'] = error.errors.map(errorFields);
  return told;
}

/** What somebody else's error quotes: passwords in addresses, as they are and with per cent signs. */
function withoutPasswords(line: string): string {
  return line.replace(/((?::|%3A)(?:\/\/|%2F%2F)[^\s"'/@:%]*(?::|%3A))[^\s"'@&]*?(@|%40)/gi, '$1[HIDDEN]$2');
}

/** A logger that writes nothing: for tests and embedding. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
