import { STATUS_CODES } from 'node:http';
import { httpStatusOf, type AnswerHead } from '../../clickhouse/index.ts';
import type { ClickHouseException } from '../../errors.ts';

/**
 * A refusal is answered by the server itself: it selects the error's text as the client, with all of the client's parameters, and the gateway
 * puts an error's head in the place of a result's. So credentials and parameters are checked first, and the query id, compression,
 * time zone, CORS and keep-alive headers are the server's own. When the server refuses even this, its answer passes unchanged.
 */
export function refusalStatement(exception: ClickHouseException): string {
  return `SELECT concat(${quote(exception.message)}, ' (version ', version(), ')\\n') FORMAT RawBLOB`;
}

/** Turns the head of that SELECT's answer into the head of an error answer, the order of headers included. */
export function refusalHead(exception: ClickHouseException): (head: AnswerHead) => AnswerHead {
  return (head) => {
    if (head.status !== 200) return head;
    const status = httpStatusOf(exception.code);
    return { status, reason: reasonOf(status), rawHeaders: errorHeaders(head.rawHeaders, exception.code) };
  };
}

/** Headers of an error in the place of a result's. `valueOf`: what else changes in them. */
export function errorHeaders(raw: readonly string[], code: number, valueOf = errorValue): string[] {
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const lower = name.toLowerCase();
    if (lower === 'x-clickhouse-format') continue;
    headers.push(name, valueOf(lower, raw[i + 1] ?? ''));
    if (lower === 'x-clickhouse-timezone') headers.push('X-ClickHouse-Exception-Code', String(code));
  }
  return headers;
}

function errorValue(lowerName: string, value: string): string {
  if (lowerName === 'content-type') return 'text/plain; charset=UTF-8';
  return lowerName === 'x-clickhouse-summary' ? withoutWork(value) : value;
}

/** The server has read nothing when it refuses a statement; our SELECT read one row. */
function withoutWork(summary: string): string {
  return summary.replace(/"(\w+_(?:rows|bytes|rows_to_read))":"\d+"/g, '"$1":"0"');
}

/** Poco's names of statuses, which differ from Node's in one. */
export function reasonOf(status: number): string {
  return status === 413 ? 'Request Entity Too Large' : (STATUS_CODES[status] ?? '');
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
