import { STRAY_ROW } from '../engine/index.ts';
import { ClickHouseException } from '../errors.ts';
import type { RecordCursor } from '../formats/index.ts';
import { UNREADABLE_KEY } from './key-columns.ts';
import { NOT_READ } from './still-read.ts';

export interface BrokenMessage {
  readonly message: RecordCursor;
  /** The server's exception without its number, as the real engine puts it into `_error`. */
  readonly error: string;
}

/**
 * What an INSERT's failure says about its messages.
 *
 * - `stray-row`: a message made rows that carry no metadata; scanning the messages sorts it out.
 * - `broken`: the format could not read a row, or a column's default could not be computed from it; `row` counts from 0 when the server named one.
 * - `other`: the messages are not to blame (target, view, memory, network): the same batch is tried again.
 */
export type InsertFailure =
  { readonly kind: 'stray-row' } | { readonly kind: 'broken'; readonly row?: number } | { readonly kind: 'other' };

/**
 * Codes that the server also raises while it reads a format, although the rows are good: limits, cancellation, trouble of its own
 * (ClickHouse `src/Common/ErrorCodes.cpp`).
 */
const NOT_THE_MESSAGE = new Set([
  159, // TIMEOUT_EXCEEDED
  160, // TOO_SLOW
  173, // CANNOT_ALLOCATE_MEMORY
  202, // TOO_MANY_SIMULTANEOUS_QUERIES
  209, // SOCKET_TIMEOUT
  210, // NETWORK_ERROR
  236, // ABORTED
  241, // MEMORY_LIMIT_EXCEEDED
  394, // QUERY_WAS_CANCELLED
]);

// Texts quote what messages hold, so what counts is how they end: there the server says what was executing.
/** The format's reader speaks: an input format is the processor that failed. */
const FORMAT_SPEAKS = /: While executing (?:\w*(?:InputFormat|ParallelParsing\w*)|Native)$/;
const VIEW_SPEAKS = /: while pushing to view [^\n]*$/;
const AT_ROW = /\(at row (\d+)\)/;

/** What the libraries throw that read some formats, such as Avro (STD_EXCEPTION). */
const THROWN_BY_A_LIBRARY = 1001;

/** A default of the table's own could not be computed from what the message holds. */
const DEFAULT_SPEAKS = /: while executing 'FUNCTION /;

export function explainFailure(error: unknown): InsertFailure {
  if (!(error instanceof ClickHouseException) || NOT_THE_MESSAGE.has(error.code)) return { kind: 'other' };
  const { text } = error;
  if (text.startsWith(NOT_READ)) return { kind: 'other' };
  if (FORMAT_SPEAKS.test(text)) return brokenAt(text);
  if (VIEW_SPEAKS.test(text)) return { kind: 'other' };
  if (text.includes(STRAY_ROW)) return { kind: 'stray-row' };
  if (text.startsWith(UNREADABLE_KEY) || DEFAULT_SPEAKS.test(text)) return { kind: 'broken' };
  if (error.code === THROWN_BY_A_LIBRARY) return { kind: text.startsWith('std::bad_alloc') ? 'other' : 'broken' };
  return AT_ROW.test(text) ? brokenAt(text) : { kind: 'other' };
}

function brokenAt(text: string): InsertFailure {
  const row = AT_ROW.exec(text)?.[1];
  return row === undefined ? { kind: 'broken' } : { kind: 'broken', row: Number(row) - 1 };
}

/** The sentence of the exception as the real engine shows it (`_error`): without number, name, and what was executing. */
export function errorText(error: unknown): string {
  if (!(error instanceof ClickHouseException)) return error instanceof Error ? error.message : String(error);
  // To say what was executing the server takes a full stop away; of the formats' sentences these have one.
  return error.text.replace(/: While executing \w+$/, '').replace(/(?:about what has been parsed|at end of stream)$/, '$&.');
}
