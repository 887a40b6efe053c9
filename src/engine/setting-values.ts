import type { Value } from '../sql/index.ts';
import { clickhouseError } from '../errors.ts';
import type { SettingType } from './settings.ts';

/**
 * A literal as the server's `Field` of a setting's value, with the server's name of its type.
 * Integers are exact; `Float64` also holds integers beyond 64 bits, as the server's parser reads them.
 */
export type Literal =
  | { readonly type: 'String'; readonly value: string }
  | { readonly type: 'UInt64' | 'Int64'; readonly value: bigint }
  | { readonly type: 'Float64'; readonly value: number }
  | { readonly type: 'Bool'; readonly value: boolean }
  | { readonly type: 'Null' };

export type SettingValue = string | bigint | boolean;

/** A value as a definition holds it. */
export function valueText(value: SettingValue): string {
  return typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
}

const UINT64_MAX = 2n ** 64n - 1n;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const HANDLE_ERROR_MODES: readonly string[] = ['dead_letter_queue', 'stream', 'default'];

/** The literal a value is, or undefined when it has to be evaluated (or is a bare word). */
export function literalOf(value: Value): Literal | undefined {
  if (value.kind === 'string') return { type: 'String', value: value.value };
  if (value.kind === 'bool') return { type: 'Bool', value: value.value };
  if (value.kind === 'number') return numberLiteral(value.text);
  return value.kind === 'expression' && /^null$/i.test(value.text) ? { type: 'Null' } : undefined;
}

function numberLiteral(text: string): Literal {
  const unsigned = text.replaceAll('_', '').replace(/^[+-]\s*/, '');
  const isNegative = text.startsWith('-');
  if (/^(?:\d+|0[xX][0-9a-fA-F]+|0[bB][01]+)$/.test(unsigned)) {
    const integer = isNegative ? -BigInt(unsigned) : BigInt(unsigned);
    if (integer >= 0n && integer <= UINT64_MAX) return { type: 'UInt64', value: integer };
    if (integer < 0n && integer >= INT64_MIN) return { type: 'Int64', value: integer };
  }
  return { type: 'Float64', value: isNegative ? -floatOf(unsigned) : floatOf(unsigned) };
}

function floatOf(text: string): number {
  if (/^inf/i.test(text)) return Infinity;
  return Number(text);
}

/** The value of a setting of that type. Throws the server's exception for what the type cannot hold. */
export function convertSetting(type: SettingType, literal: Literal): SettingValue {
  return CONVERSIONS[type](literal);
}

const CONVERSIONS: Readonly<Record<SettingType, (literal: Literal) => SettingValue>> = {
  string: toText,
  char: toChar,
  uint64: (literal) => toInteger(literal, 0n, UINT64_MAX, 'unsigned long'),
  milliseconds: (literal) => toInteger(literal, 0n, UINT64_MAX, 'unsigned long'),
  int64: (literal) => toInteger(literal, INT64_MIN, INT64_MAX, 'long'),
  bool: toBool,
  'handle-error-mode': toHandleErrorMode,
};

function toText(literal: Literal): string {
  if (literal.type === 'String') return literal.value;
  throw clickhouseError('BAD_GET', `Bad get: has ${literal.type}, requested String`);
}

function toChar(literal: Literal): string {
  const text = toText(literal);
  if (Buffer.byteLength(text) <= 1) return text;
  throw clickhouseError('SIZE_OF_FIXED_STRING_DOESNT_MATCH', "A setting's value string has to be an exactly one character long");
}

function toHandleErrorMode(literal: Literal): string {
  const mode = toText(literal);
  if (HANDLE_ERROR_MODES.includes(mode)) return mode;
  const allowed = HANDLE_ERROR_MODES.map((name) => `'${name}'`).join(', ');
  throw clickhouseError('BAD_ARGUMENTS', `Unexpected value of StreamingHandleErrorMode: '${mode}'. Must be one of [${allowed}]`);
}

function toInteger(literal: Literal, min: bigint, max: bigint, type: string): bigint {
  if (literal.type === 'Null') throw nullValue(type);
  if (literal.type === 'Bool') return literal.value ? 1n : 0n;
  if (literal.type === 'String') return min < 0n ? parseSigned(literal.value) : parseUnsigned(literal.value);
  if (literal.type === 'Float64') return truncate(literal.value, min, max);
  if (literal.value < min || literal.value > max) throw outOfRange(literal.value, type);
  return literal.value;
}

function toBool(literal: Literal): boolean {
  if (literal.type === 'Null') throw nullValue('bool');
  if (literal.type === 'Bool') return literal.value;
  if (literal.type === 'Float64') return literal.value !== 0;
  if (literal.type === 'String') return parseBool(literal.value);
  if (literal.value !== 0n && literal.value !== 1n) throw outOfRange(literal.value, 'bool');
  return literal.value === 1n;
}

function parseBool(text: string): boolean {
  const word = text.toLowerCase();
  if (word === '1' || word === 'true') return true;
  if (word === '0' || word === 'false') return false;
  throw clickhouseError('CANNOT_PARSE_BOOL', `Cannot parse bool from string '${text}'`);
}

function parseUnsigned(text: string): bigint {
  if (text.startsWith('-')) throw clickhouseError('CANNOT_PARSE_NUMBER', "Unsigned type must not contain '-' symbol");
  return BigInt.asUintN(64, parseDigits(text));
}

function parseSigned(text: string): bigint {
  return BigInt.asIntN(64, parseDigits(text));
}

/** The server's `readIntText` to the end of the text: numbers that are too large wrap around. */
function parseDigits(text: string): bigint {
  if (text === '') throw clickhouseError('ATTEMPT_TO_READ_AFTER_EOF', 'Attempt to read after eof');
  const [, sign = '', digits = '', rest = ''] = /^([+-]?)(\d*)(.*)$/s.exec(text) ?? [];
  if (sign !== '' && digits === '') throw clickhouseError('CANNOT_PARSE_NUMBER', 'Cannot parse number without any digits');
  if (rest !== '') throw clickhouseError('CANNOT_PARSE_INPUT_ASSERTION_FAILED', `Cannot parse input: expected 'eof' before: '${rest}'`);
  return sign === '-' ? -BigInt(digits) : BigInt(digits);
}

function truncate(value: number, min: bigint, max: bigint): bigint {
  if (!Number.isFinite(value)) {
    const word = Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
    throw clickhouseError('CANNOT_PARSE_NUMBER', `Float setting value must be finite, got ${word}`);
  }
  const integer = BigInt(Math.trunc(value));
  if (integer < min || integer > max)
    throw clickhouseError('CANNOT_CONVERT_TYPE', 'Cannot convert out of range floating point value to integer type');
  return integer;
}

function outOfRange(value: bigint, type: string): Error {
  return clickhouseError('CANNOT_CONVERT_TYPE', `Field value ${value} is out of range of ${type} type`);
}

function nullValue(type: string): Error {
  return clickhouseError('CANNOT_CONVERT_TYPE', `Invalid value NULL of the setting, which needs ${type}`);
}
