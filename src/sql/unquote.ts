/**
 * From literals to what they mean. Escapes as the server reads them: `parseComplexEscapeSequence` in `src/IO/ReadHelpers.cpp` (26.7), tried
 * against it. Text is Unicode here, so bytes given as `\x` that are not UTF-8 become U+FFFD.
 */
const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  e: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '0': '\0',
  N: '',
};

/** The text of a string literal of any kind: `'…'`, `‘…’`, `$tag$…$tag$`, `x'…'`, `b'…'`. */
export function unquoteString(literal: string): string {
  switch (literal[0]) {
    case "'":
      return unescape(literal.slice(1, -1), "'");
    case '‘':
      return literal.slice(1, -1);
    case '$': {
      const tagLength = literal.indexOf('$', 1) + 1;
      return literal.slice(tagLength, -tagLength);
    }
    case 'x':
    case 'X':
      return decodeDigits(literal.slice(2, -1), 16, 2);
    default:
      return decodeDigits(literal.slice(2, -1), 2, 8);
  }
}

/** The name an identifier stands for, bare or quoted in any way. */
export function unquoteIdentifier(identifier: string): string {
  const quote = identifier.charAt(0);
  if (quote === '`' || quote === '"') return unescape(identifier.slice(1, -1), quote);
  return quote === '“' ? identifier.slice(1, -1) : identifier;
}

function unescape(body: string, quote: string): string {
  if (!body.includes('\\') && !body.includes(quote)) return body;
  const pattern = new RegExp(`\\\\(x[0-9a-fA-F]{2}|[^])|${quote}${quote}`, 'g');
  const decode = (whole: string, escape: string | undefined): string => (escape === undefined ? quote : decodeEscape(whole, escape));
  if (!body.includes('\\x')) return body.replace(pattern, decode);
  // `\x` gives bytes, several of which may be one character: decode among bytes, then read them as UTF-8.
  const bytes = Buffer.from(body, 'utf8').toString('latin1').replace(pattern, decode);
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function decodeEscape(whole: string, escape: string): string {
  if (escape.length === 3) return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  // An unknown escape keeps its back-slash: '\%' is two characters, which LIKE patterns rely on.
  return ESCAPES[escape] ?? (/[\\'"`/=\x00-\x1f\x7f]/.test(escape) ? escape : whole);
}

/** A short first group is filled up with zeros on the left, as the server does. */
function decodeDigits(digits: string, radix: number, perByte: number): string {
  const whole = digits.padStart(Math.ceil(digits.length / perByte) * perByte, '0');
  const bytes = whole.match(new RegExp(`.{${perByte}}`, 'g')) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, radix))).toString('utf8');
}
