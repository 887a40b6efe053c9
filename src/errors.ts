/**
 * Every error a client of the gateway can see, in ClickHouse's own terms: a number, a name, a sentence.
 *
 * Source of numbers and names: ClickHouse `src/Common/ErrorCodes.cpp` (26.7); texts: see `engine/` and `query/statements/`.
 */
export const ERROR_CODES = {
  UNSUPPORTED_METHOD: 1,
  CANNOT_PARSE_TEXT: 6,
  CANNOT_PARSE_INPUT_ASSERTION_FAILED: 27,
  ARGUMENT_OUT_OF_BOUND: 69,
  BAD_ARGUMENTS: 36,
  NUMBER_OF_ARGUMENTS_DOESNT_MATCH: 42,
  NOT_IMPLEMENTED: 48,
  UNKNOWN_TABLE: 60,
  SYNTAX_ERROR: 62,
  CANNOT_CONVERT_TYPE: 70,
  UNKNOWN_FORMAT: 73,
  INCORRECT_QUERY: 80,
  UNKNOWN_SETTING: 115,
  UNACCEPTABLE_URL: 491,
  ACCESS_DENIED: 497,
  READONLY: 164,
  TOO_MANY_SIMULTANEOUS_QUERIES: 202,
  TIMEOUT_EXCEEDED: 159,
  SOCKET_TIMEOUT: 209,
  NETWORK_ERROR: 210,
  MEMORY_LIMIT_EXCEEDED: 241,
  ABORTED: 236,
  AUTHENTICATION_FAILED: 516,
  ILLEGAL_COLUMN: 44,
  SUPPORT_IS_DISABLED: 344,
  QUERY_NOT_ALLOWED: 620,
  NAMED_COLLECTION_DOESNT_EXIST: 669,
  NAMED_COLLECTION_IS_USED: 769,
  NO_ELEMENTS_IN_CONFIG: 139,
  ILLEGAL_FINAL: 181,
  TABLE_ALREADY_EXISTS: 57,
  UNKNOWN_DATABASE: 81,
  SIZE_OF_FIXED_STRING_DOESNT_MATCH: 19,
  ATTEMPT_TO_READ_AFTER_EOF: 32,
  CANNOT_PARSE_NUMBER: 72,
  UNKNOWN_STORAGE: 56,
  EMPTY_LIST_OF_COLUMNS_PASSED: 90,
  CANNOT_PARSE_BOOL: 467,
  BAD_GET: 170,
  LIMIT_EXCEEDED: 290,
  UNKNOWN_STATUS_OF_INSERT: 319,
  TABLE_NOT_EMPTY: 705,
  CANNOT_GET_CREATE_TABLE_QUERY: 390,
} as const;

export type ErrorName = keyof typeof ERROR_CODES;

/** A refusal in ClickHouse's shape. `code` and `exceptionName` are the server's; `text` has no prefix, no name and no version. */
export class ClickHouseException extends Error {
  override readonly name = 'ClickHouseException';
  readonly code: number;
  readonly exceptionName: string;
  readonly text: string;

  constructor(code: number, exceptionName: string, text: string, options?: { cause?: unknown }) {
    super(`Code: ${code}. DB::Exception: ${text}. (${exceptionName})`, options);
    this.code = code;
    this.exceptionName = exceptionName;
    this.text = text;
  }
}

/** The exception `name` of the table above with the sentence `text` (without final full stop: the rendering adds it, as the server does). */
export function clickhouseError(name: ErrorName, text: string, options?: { cause?: unknown }): ClickHouseException {
  return new ClickHouseException(ERROR_CODES[name], name, text, options);
}
