import { ProtocolError, type ByteReader } from '../reader.ts';
import { hasFeature } from '../revisions.ts';
import { ByteWriter } from '../writer.ts';

const MAX_VALUE_BYTES = 16 * 1024 * 1024;
/** Settings of a very old client are found by reading to the end of its Query packet, which must be there whole. */
const MAX_BINARY_QUERY_BYTES = 8 * 1024 * 1024;
const MAX_SETTINGS = 10_000;

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
  for (;;) {
    await reader.want(1);
    if (reader.chunk[reader.at] === 0) return settings;
    if (settings.size === MAX_SETTINGS) throw new ProtocolError('too many settings');
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
    const end = findBinaryEnd(reader.chunk, reader.at);
    if (end !== undefined) {
      reader.at = end;
      return;
    }
    if (reader.available > MAX_BINARY_QUERY_BYTES) throw new ProtocolError('cannot find the end of the settings');
    await reader.more();
  }
}

/** Where the empty name that ends the settings stands, or undefined when no reading of the bytes makes sense (yet). */
function findBinaryEnd(bytes: Buffer, start: number): number | undefined {
  const seen = new Set<number>();
  const open = [start];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    if (bytes[at] === 0) {
      if (isQueryEnd(bytes, at + 1)) return at;
      continue;
    }
    const name = endOfString(bytes, at);
    if (name === undefined || !SETTING_NAME.test(bytes.toString('latin1', at + 1, name))) continue;
    const asNumber = endOfVaruint(bytes, name);
    const asString = endOfString(bytes, name);
    if (asNumber !== undefined) open.push(asNumber);
    if (asString !== undefined) open.push(asString);
  }
  return undefined;
}

const SETTING_NAME = /^[a-z][a-z0-9_]*$/;
const MAX_STAGE = 4;
const DATA = 2;
const SCALAR = 7;

/** Stage, compression, text, and the number of the packet that clients send next. */
function isQueryEnd(bytes: Buffer, at: number): boolean {
  if ((bytes[at] ?? 255) > MAX_STAGE || (bytes[at + 1] ?? 255) > 1) return false;
  const end = endOfString(bytes, at + 2);
  return end !== undefined && (bytes[end] === DATA || bytes[end] === SCALAR);
}

function endOfVaruint(bytes: Buffer, at: number): number | undefined {
  for (let i = at; i < bytes.length && i < at + 10; i += 1) if ((bytes[i] ?? 0) < 0x80) return i + 1;
  return undefined;
}

function endOfString(bytes: Buffer, at: number): number | undefined {
  const start = endOfVaruint(bytes, at);
  if (start === undefined) return undefined;
  let length = 0;
  for (let i = start - 1; i >= at; i -= 1) length = length * 128 + ((bytes[i] ?? 0) & 0x7f);
  const end = start + length;
  return end <= bytes.length ? end : undefined;
}
