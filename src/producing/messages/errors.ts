import { ClickHouseException } from '../../errors.ts';

/**
 * What the server says when it has no memory, no time, no disk, too much to do, no right, or is going down: none of it is about a value.
 * Source: ClickHouse `src/Common/ErrorCodes.cpp` (26.7).
 */
const ABOUT_THE_SERVER: ReadonlySet<string> = new Set([
  ...['TIMEOUT_EXCEEDED', 'TOO_SLOW', 'SOCKET_TIMEOUT', 'NETWORK_ERROR', 'ALL_CONNECTION_TRIES_FAILED', 'DNS_ERROR', 'SYSTEM_ERROR'],
  ...['MEMORY_LIMIT_EXCEEDED', 'CANNOT_ALLOCATE_MEMORY', 'CANNOT_SCHEDULE_TASK', 'TOO_MANY_SIMULTANEOUS_QUERIES', 'SERVER_OVERLOADED'],
  ...['NOT_ENOUGH_SPACE', 'RECEIVED_ERROR_TOO_MANY_REQUESTS', 'RECEIVED_ERROR_FROM_REMOTE_IO_SERVER', 'HTTP_CONNECTION_LIMIT_REACHED'],
  ...['ABORTED', 'QUERY_WAS_CANCELLED', 'QUERY_WAS_CANCELLED_BY_CLIENT', 'QUERY_QUOTA_EXCEEDED', 'QUOTA_EXCEEDED', 'READONLY'],
  ...['ACCESS_DENIED', 'AUTHENTICATION_FAILED', 'WRONG_PASSWORD', 'UNKNOWN_USER', 'REQUIRED_PASSWORD', 'IP_ADDRESS_NOT_ALLOWED'],
  ...['UNKNOWN_TABLE', 'UNKNOWN_DATABASE', 'TABLE_IS_DROPPED', 'TABLE_UUID_MISMATCH', 'DEADLOCK_AVOIDED', 'NO_SUCH_DATA_PART'],
  ...['CANNOT_OPEN_FILE', 'FILE_DOESNT_EXIST', 'CANNOT_READ_FROM_FILE_DESCRIPTOR', 'CANNOT_WRITE_TO_FILE_DESCRIPTOR', 'ATOMIC_RENAME_FAIL'],
  ...['CHECKSUM_DOESNT_MATCH', 'CORRUPTED_DATA', 'KEEPER_EXCEPTION', 'TOO_MANY_BYTES', 'TOO_MANY_ROWS', 'TOO_MANY_ROWS_OR_BYTES'],
]);

/**
 * Whether `readMessages` failed at what is in the rows, or at the format's own rules for them, so that it would fail again; false: for want of a server that
 * can do it now.
 */
export function isAboutValue(error: unknown): boolean {
  return error instanceof ClickHouseException && !ABOUT_THE_SERVER.has(error.exceptionName);
}

/** What the server says of the query behind the reason: where in it, and how the value is called there. */
const IN_THE_QUERY =
  /: (?:while executing (?:function formatRow on arguments|'FUNCTION formatRow\()[\s\S]*|While executing \w+|In scope SELECT[\s\S]*)$/;

/** The server's reason alone, as the real engine's INSERT gives it. */
export function withoutQuery(exception: ClickHouseException): ClickHouseException {
  const text = exception.text.replace(IN_THE_QUERY, '');
  return text === exception.text ? exception : new ClickHouseException(exception.code, exception.exceptionName, text, { cause: exception });
}
