import type { Framing } from './wire-body.ts';

/** What has to be known of an answer's head to pass it on as it is. */
export interface ReadHead {
  readonly status: number;
  readonly framing: Framing;
  /** With framing `length`. */
  readonly bodyBytes: number;
  /** Whether the server keeps the connection open. */
  readonly isKept: boolean;
  /** The value of `Keep-Alive`. */
  readonly keepAlive: string | undefined;
}

const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: [^\r\n]*)?\r\n/;
const LINE_END = '\r\n';
const LENGTHS_OF_INTEREST: ReadonlySet<number> = new Set(
  ['content-length', 'transfer-encoding', 'connection', 'keep-alive'].map((name) => name.length),
);

/** Reads an answer's head, with the empty line at its end. Throws for what is no HTTP/1; a head that can be read in two ways is none. */
export function readAnswerHead(text: string, method: string): ReadHead {
  const [statusLine, minorVersion, statusText] = STATUS_LINE.exec(text) ?? fail('Expected HTTP/');
  const status = Number(statusText);
  let length: string | undefined;
  let coding: string | undefined;
  let keepAlive: string | undefined;
  let connection = minorVersion === '1' ? '' : 'close';
  for (let at = statusLine.length, end = 0; (end = text.indexOf(LINE_END, at)) > at; at = end + LINE_END.length) {
    const colon = text.indexOf(':', at);
    if (colon <= at || colon > end) fail('Invalid header token');
    if (!LENGTHS_OF_INTEREST.has(colon - at)) continue;
    const value = text.slice(colon + 1, end).trim();
    switch (text.slice(at, colon).toLowerCase()) {
      case 'content-length':
        if (!/^\d{1,15}$/.test(value) || (length !== undefined && length !== value)) fail('Invalid Content-Length');
        length = value;
        break;
      case 'transfer-encoding':
        if (coding !== undefined || value.toLowerCase() !== 'chunked') fail('Invalid Transfer-Encoding');
        coding = value;
        break;
      case 'connection':
        connection = value.toLowerCase();
        break;
      case 'keep-alive':
        keepAlive = value;
    }
  }
  if (length !== undefined && coding !== undefined) fail('Content-Length with Transfer-Encoding');
  const hasNoBody = method === 'HEAD' || status === 204 || status === 304 || status < 200;
  const framing = hasNoBody ? 'none' : coding !== undefined ? 'chunks' : length !== undefined ? 'length' : 'close';
  const isKept = framing !== 'close' && connection !== 'close';
  return { status, framing, bodyBytes: Number(length ?? 0), isKept, keepAlive };
}

function fail(what: string): never {
  throw new Error(`Parse Error: ${what}`);
}
