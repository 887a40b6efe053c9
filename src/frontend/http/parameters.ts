/**
 * URL parameters, read and changed in place: what is not named keeps its bytes, order and encoding.
 * Text is latin1 here, one character a byte, since a statement in a URL need not be UTF-8.
 */

/** The first parameter of this name (names are case-sensitive, as on the server), decoded; undefined when absent or not decodable. */
export function findParameter(target: string, name: string): string | undefined {
  let at = target.indexOf('?') + 1;
  if (at === 0) return undefined;
  while (at <= target.length) {
    const end = endOfParameter(target, at);
    const equals = target.indexOf('=', at);
    const nameEnd = equals === -1 || equals > end ? end : equals;
    if (decode(target.slice(at, nameEnd)) === name) return decode(target.slice(Math.min(nameEnd + 1, end), end));
    at = end + 1;
  }
  return undefined;
}

/** The target with only those parameters for whose decoded names `keep` holds, then those of `set` (text as UTF-8) at its end. */
export function changeParameters(
  target: string,
  keep: (name: string) => boolean,
  set: Readonly<Record<string, string | Buffer>> = {},
): string {
  const question = target.indexOf('?');
  const path = question === -1 ? target : target.slice(0, question);
  const pieces = question === -1 ? [] : target.slice(question + 1).split('&');
  const kept = pieces.filter((piece) => piece !== '' && keep(decode(piece.split('=', 1)[0] ?? '') ?? ''));
  for (const [name, value] of Object.entries(set)) kept.push(`${name}=${encode(value)}`);
  return `${path}?${kept.join('&')}`;
}

function encode(value: string | Buffer): string {
  if (typeof value === 'string') return encodeURIComponent(value);
  return value.toString('latin1').replace(/[^\w.~-]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function endOfParameter(target: string, from: number): number {
  const end = target.indexOf('&', from);
  return end === -1 ? target.length : end;
}

const BROKEN_ESCAPE = /%(?![0-9a-fA-F]{2})/;

function decode(text: string): string | undefined {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  if (BROKEN_ESCAPE.test(spaced)) return undefined;
  return spaced.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
