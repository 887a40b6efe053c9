/** How the end of an answer's body is known. */
export type Framing = 'none' | 'length' | 'chunks' | 'close';

export interface ReadHead {
  readonly status: number;
  readonly reason: string;
  /** Name, value, name, value, as on the wire. */
  readonly rawHeaders: string[];
  readonly framing: Framing;
  /** With framing `length`. */
  readonly bodyBytes: number;
  /** Whether the server keeps the connection open. */
  readonly isKept: boolean;
  /** The value of `Keep-Alive`. */
  readonly keepAlive: string | undefined;
}

const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: (.*))?$/;
const LENGTHS_OF_INTEREST: ReadonlySet<number> = new Set(
  ['content-length', 'transfer-encoding', 'connection', 'keep-alive'].map((name) => name.length),
);

/** Reads an answer's head, without the empty line at its end. Throws for what is no HTTP/1; a head that can be read in two ways is none. */
export function readAnswerHead(text: string, method: string): ReadHead {
  const lines = text.split('\r\n');
  const [, minorVersion, statusText, reason = ''] = STATUS_LINE.exec(lines[0] ?? '') ?? fail('Expected HTTP/');
  const status = Number(statusText);
  const rawHeaders: string[] = [];
  let length: string | undefined;
  let coding: string | undefined;
  let keepAlive: string | undefined;
  let connection = minorVersion === '1' ? '' : 'close';
  for (let i = 1; i < lines.length; i += 1) {
    const line = lines[i] ?? '';
    const colon = line.indexOf(':');
    if (colon < 1) fail('Invalid header token');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    rawHeaders.push(name, value);
    if (!LENGTHS_OF_INTEREST.has(colon)) continue;
    switch (name.toLowerCase()) {
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
  return { status, reason, rawHeaders, framing, bodyBytes: Number(length ?? 0), isKept, keepAlive };
}

function fail(what: string): never {
  throw new Error(`Parse Error: ${what}`);
}
