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
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
}

/** A logger that writes nothing: for tests and embedding. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
