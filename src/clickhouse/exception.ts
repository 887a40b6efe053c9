import { ClickHouseException } from '../errors.ts';

// "Code: 47. DB::Exception: text. (NAME) (version 26.7.2.1)". The version is missing when no query was run yet (a wrong password), the name in
// what other libraries threw ("Poco::Exception. Code: 1000, …"). NetException and ParsingException stand where Exception does.
const ERROR_TEXT = /Code: (\d+)\. DB::[A-Za-z]*Exception: ([\s\S]*?)\.? \(([A-Z][A-Z0-9_]*)\)(?: \(version [^()]*(?:\([^()]*\))?\))?\s*$/;

// What a library threw that reads a format: "std::exception. Code: 1001, type: avro::Exception, e.what() = EOF reached (version 26.7.2.1)".
const LIBRARY_TEXT = /^std::exception\. Code: (\d+), type: ([^,]+), e\.what\(\) = ([\s\S]*?)(?: \(version [^()]*(?:\([^()]*\))?\))?\s*$/;

/** Reads the server's error text, as an HTTP body or an exception's message holds it; undefined when it is not one. */
export function parseException(text: string): ClickHouseException | undefined {
  const found = ERROR_TEXT.exec(text);
  if (found === null) return parseLibraryException(text);
  return new ClickHouseException(Number(found[1]), found[3] ?? '', found[2] ?? '');
}

function parseLibraryException(text: string): ClickHouseException | undefined {
  const found = LIBRARY_TEXT.exec(text);
  return found === null ? undefined : new ClickHouseException(Number(found[1]), 'STD_EXCEPTION', `${found[2]}: ${found[3]}`);
}

/**
 * Writes an exception as the server does in an HTTP body, without the newline at its end.
 * @param version what stands after "version": `26.7.2.1` or `24.3.1.2672 (official build)`; left out when absent, as before authentication.
 */
export function renderException(exception: ClickHouseException, version?: string): string {
  return version === undefined ? exception.message : `${exception.message} (version ${version})`;
}

// Source: `src/Server/HTTP/exceptionCodeToHTTPStatus.cpp`; the names are the server's.
const CODES_OF_STATUS: Readonly<Record<number, Readonly<Record<string, number>>>> = {
  400: {
    BAD_ARGUMENTS: 36,
    CANNOT_COMPILE_REGEXP: 427,
    CANNOT_PARSE_TEXT: 6,
    CANNOT_PARSE_ESCAPE_SEQUENCE: 25,
    CANNOT_PARSE_QUOTED_STRING: 26,
    CANNOT_PARSE_DATE: 38,
    CANNOT_PARSE_DATETIME: 41,
    CANNOT_PARSE_NUMBER: 72,
    CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING: 441,
    CANNOT_PARSE_IPV4: 675,
    CANNOT_PARSE_IPV6: 676,
    CANNOT_PARSE_INPUT_ASSERTION_FAILED: 27,
    CANNOT_PARSE_UUID: 376,
    DUPLICATE_COLUMN: 15,
    ILLEGAL_COLUMN: 44,
    UNKNOWN_ELEMENT_IN_AST: 37,
    UNKNOWN_TYPE_OF_AST_NODE: 123,
    THERE_IS_NO_COLUMN: 8,
    TOO_DEEP_AST: 167,
    TOO_BIG_AST: 168,
    UNEXPECTED_AST_STRUCTURE: 223,
    SYNTAX_ERROR: 62,
    INCORRECT_DATA: 117,
    TYPE_MISMATCH: 53,
    VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE: 321,
  },
  401: { REQUIRED_PASSWORD: 194 },
  403: { UNKNOWN_USER: 192, WRONG_PASSWORD: 193, AUTHENTICATION_FAILED: 516, SET_NON_GRANTED_ROLE: 512, ACCESS_DENIED: 497 },
  404: {
    UNKNOWN_TABLE: 60,
    UNKNOWN_FUNCTION: 46,
    UNKNOWN_IDENTIFIER: 47,
    UNKNOWN_TYPE: 50,
    UNKNOWN_STORAGE: 56,
    UNKNOWN_DATABASE: 81,
    UNKNOWN_SETTING: 115,
    UNKNOWN_DIRECTION_OF_SORTING: 152,
    UNKNOWN_AGGREGATE_FUNCTION: 63,
    UNKNOWN_FORMAT: 73,
    UNKNOWN_DATABASE_ENGINE: 336,
    UNKNOWN_TYPE_OF_QUERY: 78,
    UNKNOWN_ROLE: 511,
  },
  408: { TIMEOUT_EXCEEDED: 159 },
  411: { HTTP_LENGTH_REQUIRED: 381 },
  413: { QUERY_IS_TOO_LARGE: 229 },
  415: { UNSUPPORTED_MEDIA_TYPE: 779 },
  501: { NOT_IMPLEMENTED: 48 },
  503: { SOCKET_TIMEOUT: 209, CANNOT_OPEN_FILE: 76, CANNOT_SCHEDULE_TASK: 439 },
};

const STATUS_OF_CODE: ReadonlyMap<number, number> = new Map(
  Object.entries(CODES_OF_STATUS).flatMap(([status, codes]) => Object.values(codes).map((code) => [code, Number(status)])),
);

/** The HTTP status with which the server answers an exception of this code: 500 for all it does not single out. */
export function httpStatusOf(code: number): number {
  return STATUS_OF_CODE.get(code) ?? 500;
}
