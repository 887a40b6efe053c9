const TAB = 0x09;
const PLUS = 0x2b;
const MINUS = 0x2d;
const BACKSLASH = 0x5c;

/**
 * Whether a field that ends at `end`, the end of a message, may be one that the server takes when a line break follows and refuses at the end of the text:
 * an empty number, a sign or an exponent without digits, an escape sequence that is cut off. (Tried with all types of 26.7.)
 */
export function isCutOff(bytes: Buffer, start: number, end: number): boolean {
  const before = (distance: number): number => (end - distance < start ? -1 : (bytes[end - distance] as number));
  const last = before(1);
  if (last === TAB || last === MINUS || last === PLUS || last === BACKSLASH) return true;
  if ((last | 0x20) === 0x65 && isPartOfNumber(before(2))) return true;
  return (last === 0x78 && before(2) === BACKSLASH) || (before(2) === 0x78 && before(3) === BACKSLASH);
}

/** Digits and the point. */
function isPartOfNumber(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2e;
}
