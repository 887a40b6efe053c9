import { METHODS } from 'node:http';
import type { StatementHeaders } from './request.ts';

/** The head of a request as it is on the wire, of those that need nothing but to be passed on. */
export interface PlainHead {
  readonly method: string;
  /** Path and query string as in the request line. */
  readonly target: string;
  readonly headers: StatementHeaders;
  /** Up to and including the empty line. */
  readonly bytes: number;
}

const PLAIN_METHODS: ReadonlySet<string> = new Set(METHODS.filter((method) => method !== 'CONNECT'));
const HEAD_END = '\r\n\r\n';
const LINE_END = '\r\n';
// Strict, so that nobody behind can read it in another way: no folded lines, no blanks before a colon, no lone line breaks.
const HEAD = /^[A-Z]+ [\x21-\x7e\x80-\xff]+ HTTP\/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n$/;
const LENGTHS_OF_INTEREST: ReadonlySet<number> = new Set(
  ['content-length', 'transfer-encoding', 'content-type', 'content-encoding', 'expect', 'upgrade', 'trailer'].map((name) => name.length),
);

/**
 * Reads a head that stands whole at the beginning of `bytes`. Undefined for everything out of the common: not whole, broken, another version, an unknown method, or one
 * that asks for more than an answer (`Expect`, `Upgrade`, `CONNECT`, trailers) or names its length twice. Node's HTTP takes care of those.
 */
export function readPlainHead(bytes: Buffer): PlainHead | undefined {
  const end = bytes.indexOf(HEAD_END, 0, 'latin1');
  if (end === -1) return undefined;
  const text = bytes.toString('latin1', 0, end + HEAD_END.length);
  if (!HEAD.test(text)) return undefined;
  const targetAt = text.indexOf(' ') + 1;
  const targetEnd = text.indexOf(' ', targetAt);
  const method = text.slice(0, targetAt - 1);
  const headers = PLAIN_METHODS.has(method) ? readHeaders(text, text.indexOf(LINE_END) + LINE_END.length) : undefined;
  return headers && { method, target: text.slice(targetAt, targetEnd), headers, bytes: text.length };
}

function readHeaders(text: string, from: number): StatementHeaders | undefined {
  const headers: Record<string, string> = {};
  for (let at = from, end = 0; (end = text.indexOf(LINE_END, at)) > at; at = end + LINE_END.length) {
    const colon = text.indexOf(':', at);
    if (!LENGTHS_OF_INTEREST.has(colon - at)) continue;
    const name = text.slice(at, colon).toLowerCase();
    const value = text.slice(colon + 1, end).trim();
    switch (name) {
      case 'expect':
      case 'upgrade':
      case 'trailer':
        return undefined;
      case 'content-length':
        if (!/^\d{1,15}$/.test(value)) return undefined;
        break;
      case 'transfer-encoding':
        if (value.toLowerCase() !== 'chunked') return undefined;
        break;
      case 'content-type':
      case 'content-encoding':
        break;
      default:
        continue;
    }
    if (name in headers) return undefined;
    headers[name] = value;
  }
  return 'content-length' in headers && 'transfer-encoding' in headers ? undefined : headers;
}
