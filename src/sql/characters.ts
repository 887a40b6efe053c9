/**
 * Character classes of ClickHouse's lexer. Source: `src/Common/StringUtils.h` and `skipWhitespacesUTF8` (26.7).
 */
const SPACE = 1;
const DIGIT = 2;
const WORD = 4;
const HEX = 8;

const CLASSES = new Uint8Array(128);
for (const character of ' \t\n\r\f\v') CLASSES[character.charCodeAt(0)] = SPACE;
for (const character of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_') CLASSES[character.charCodeAt(0)] = WORD;
for (const character of '0123456789') CLASSES[character.charCodeAt(0)] = DIGIT | WORD | HEX;
for (const character of 'abcdefABCDEF') CLASSES[character.charCodeAt(0)] = WORD | HEX;

function has(code: number, wanted: number): boolean {
  return code < 128 && ((CLASSES[code] ?? 0) & wanted) !== 0;
}

/** All of these take a UTF-16 unit and answer false for NaN, which `charCodeAt` gives past the end. */
export const isDigit = (code: number): boolean => has(code, DIGIT);
export const isHexDigit = (code: number): boolean => has(code, HEX);
/** A letter, a digit or `_`: ASCII only, as on the server. */
export const isWordCharacter = (code: number): boolean => has(code, WORD);

/** ASCII white space, and the Unicode spaces the server skips in statements pasted from a word processor. */
export function isSpace(code: number): boolean {
  if (code < 128) return has(code, SPACE);
  return code === 0x85 || code === 0xa0 || code === 0x180e || (code >= 0x2000 && code <= 0x200d) || code === 0x2028 || isRareSpace(code);
}

function isRareSpace(code: number): boolean {
  return code === 0x2029 || code === 0x202f || code === 0x205f || code === 0x2060 || code === 0x3000 || code === 0xfeff;
}
