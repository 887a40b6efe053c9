import { ProtocolError, type ByteReader } from '../reader.ts';
import { hasFeature } from '../revisions.ts';
import { ByteWriter } from '../writer.ts';

const MAX_VALUE_BYTES = 16 * 1024 * 1024;
/** Settings of a very old client are found by reading to the end of its Query packet, which must be there whole. */
const MAX_BINARY_QUERY_BYTES = 8 * 1024 * 1024;
const MAX_SETTINGS = 10_000;
/** All of them are looked at again when more comes. */
const MAX_BINARY_SETTINGS_BYTES = 64 * 1024;
/** Places at which one may begin, counting those that turn out to be none. */
const MAX_BINARY_READINGS = 2_000;

/**
 * Reads the settings of a Query packet up to the empty name that ends them, which is not consumed. Also reads query parameters, which have the same shape.
 *
 * Below revision 54429 a value is written by its setting's type, which is not on the wire: nothing is answered then.
 */
export async function readSettings(reader: ByteReader, revision: number): Promise<ReadonlyMap<string, string>> {
  const settings = new Map<string, string>();
  if (!hasFeature(revision, 'settings as text')) {
    await skipBinarySettings(reader);
    return settings;
  }
  for (let count = 0; ; count += 1) {
    await reader.want(1);
    if (reader.chunk[reader.at] === 0) return settings;
    if (count === MAX_SETTINGS) throw new ProtocolError('too many settings');
    const name = await reader.string();
    await reader.varuint();
    settings.set(name, await reader.string(MAX_VALUE_BYTES));
  }
}

/** One setting to put before the empty name that ends a list. */
export function writeSetting(revision: number, name: string, value: number): Buffer {
  const writer = new ByteWriter().string(name);
  if (!hasFeature(revision, 'settings as text')) return writer.varuint(value).bytes();
  return writer.varuint(0).string(String(value)).bytes();
}

/**
 * A value is a number or a string; which one shows only in that everything after it makes sense, up to the Data packet that follows every Query.
 * So the packet is read to its end first.
 */
async function skipBinarySettings(reader: ByteReader): Promise<void> {
  for (;;) {
    const found = findBinaryEnd(reader.chunk, reader.at);
    if (found.end !== undefined) {
      reader.at = found.end;
      return;
    }
    await reader.more(found.needed - reader.chunk.length);
  }
}

type Found = { readonly end: number } | { readonly end?: undefined; readonly needed: number };

/** Where the empty name that ends the settings stands, or how long the bytes must at least be to tell. */
function findBinaryEnd(bytes: Buffer, start: number): Found {
  let needed = Infinity;
  const seen = new Set<number>();
  const open = [start];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at) || at - start > MAX_BINARY_SETTINGS_BYTES) continue;
    if (seen.size === MAX_BINARY_READINGS) throw new ProtocolError('too many settings');
    seen.add(at);
    const isEnd = bytes[at] === 0;
    const end = isEnd ? endOfQuery(bytes, at + 1) : endOfString(bytes, at);
    if (end === undefined || end - start > MAX_BINARY_QUERY_BYTES) continue;
    if (end > bytes.length) needed = Math.min(needed, end);
    else if (isEnd) return { end: at };
    else if (SETTING_NAME.test(bytes.toString('latin1', at + 1, end))) {
      for (const next of [endOfVaruint(bytes, end), endOfString(bytes, end)]) if (next !== undefined) open.push(next);
    }
  }
  if (needed === Infinity) throw new ProtocolError('cannot find the end of the settings');
  return { needed };
}

const SETTING_NAME = /^[a-z][a-z0-9_]*$/;
const MAX_STAGE = 4;
const DATA = 2;
const SCALAR = 7;

// The ends below may be behind what has come: then at least so many bytes are needed to go on. Undefined: it is no such thing.

/** Of stage, compression, text, and the number of the packet that clients send next. */
function endOfQuery(bytes: Buffer, at: number): number | undefined {
  if ((bytes[at] ?? 0) > MAX_STAGE || (bytes[at + 1] ?? 0) > 1) return undefined;
  const end = endOfString(bytes, at + 2);
  const next = end === undefined ? undefined : bytes[end];
  return end === undefined || (next !== undefined && next !== DATA && next !== SCALAR) ? undefined : end + 1;
}

function endOfVaruint(bytes: Buffer, at: number): number | undefined {
  for (let i = at; i < at + 10; i += 1) if (i >= bytes.length || (bytes[i] ?? 0) < 0x80) return i + 1;
  return undefined;
}

function endOfString(bytes: Buffer, at: number): number | undefined {
  const start = endOfVaruint(bytes, at);
  if (start === undefined || start > bytes.length) return start;
  let length = 0;
  for (let i = start - 1; i >= at; i -= 1) length = length * 128 + ((bytes[i] ?? 0) & 0x7f);
  return start + length;
}
