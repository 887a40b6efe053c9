import { CLIENT_PACKETS } from '../packet-types.ts';
import { ProtocolError, type ByteReader } from '../reader.ts';
import { hasFeature } from '../revisions.ts';
import { ByteWriter } from '../writer.ts';
import { readClientInfo, type ClientInfo, type Span } from './client-info.ts';
import { readSettings, writeSetting } from './settings.ts';

/**
 * A Query packet up to its text: what it says, and where (positions of the reader), so that its own bytes can be sent on with only a part replaced.
 */
export interface QueryHead {
  /** Where the packet's number stands. */
  readonly start: number;
  /** Empty: the server makes one. */
  readonly id: string;
  readonly clientInfo: Span & ClientInfo;
  readonly settings: Span & { readonly values: ReadonlyMap<string, string> };
  /** Roles on behalf of which another server asks; empty below revision 54472. */
  readonly roles: Span;
  /** How far the server is to go: a number, `STAGE_COMPLETE` for all the way. */
  readonly stage: Span & { readonly value: number };
  /** Whether blocks of this query are compressed, in both directions. */
  readonly isCompressed: boolean;
  /** The statement's bytes; before them stands their number. */
  readonly text: Span & { readonly lengthAt: number };
}

/** To the end: the client wants the result, not a part of it for merging elsewhere. */
export const STAGE_COMPLETE = 2;

const MAX_STAGE = 7;

/** Reads what follows the packet's number, which stands at `start`, up to the first byte of the text. */
export async function readQueryHead(reader: ByteReader, revision: number, start: number): Promise<QueryHead> {
  const id = await reader.string();
  const clientInfo = await spanning(reader, async () =>
    hasFeature(revision, 'client info') ? readClientInfo(reader, revision) : { queryKind: 0 },
  );
  const settings = await spanning(reader, async () => ({ values: await readSettings(reader, revision) }));
  await reader.skip(1);
  const roles = await spanning(reader, async () => {
    if (hasFeature(revision, 'interserver roles')) await reader.skipString();
  });
  if (hasFeature(revision, 'interserver secret')) await reader.skipString();
  const stage = await spanning(reader, async () => ({ value: await reader.varuint() }));
  if (stage.value > MAX_STAGE) throw new ProtocolError(`unknown query stage ${stage.value}`);
  const isCompressed = await readFlag(reader);
  const lengthAt = reader.position;
  const bytes = await reader.varuint();
  if (bytes > MAX_TEXT_BYTES) throw new ProtocolError(`a statement of ${bytes} bytes is too long`);
  const text = { lengthAt, from: reader.position, to: reader.position + bytes };
  return { start, id, clientInfo, settings, roles, stage, isCompressed, text };
}

/** The server's own limit of a string. */
const MAX_TEXT_BYTES = 0x40000000;

async function spanning<T>(reader: ByteReader, read: () => Promise<T>): Promise<T & Span> {
  const from = reader.position;
  const value = await read();
  return { ...value, from, to: reader.position };
}

async function readFlag(reader: ByteReader): Promise<boolean> {
  const value = await reader.varuint();
  if (value > 1) throw new ProtocolError(`unknown compression flag ${value}`);
  return value === 1;
}

/** Goes over what follows the text, to the end of the packet. */
export async function skipQueryTail(reader: ByteReader, revision: number): Promise<void> {
  if (!hasFeature(revision, 'query parameters')) return;
  await readSettings(reader, revision);
  await reader.skip(1);
}

/** A whole Query packet as it was read, for making others of it. */
export interface ReadQuery {
  readonly head: QueryHead;
  readonly bytes: Buffer;
}

function part({ head, bytes }: ReadQuery, from: number, to?: number): Buffer {
  return bytes.subarray(from - head.start, to === undefined ? undefined : to - head.start);
}

/** Settings to add to a packet's own, which they follow and so overrule. */
export type AddedSettings = Readonly<Record<string, number>>;

/** The same packet with another text, and settings that it needs; to be carried out to the end. */
export function withText(query: ReadQuery, revision: number, sql: string, added: AddedSettings = {}): Buffer {
  const bytes = Buffer.from(sql);
  return Buffer.concat([withTextOf(query, revision, bytes.length, added), bytes, part(query, query.head.text.to)]);
}

/** The same packet up to the first byte of its text, of which there will be `textBytes`; to be carried out to the end. */
export function withTextOf(query: ReadQuery, revision: number, textBytes: number, added: AddedSettings): Buffer {
  const { settings, stage, text } = query.head;
  const writer = new ByteWriter().raw(part(query, query.head.start, settings.to));
  for (const [name, value] of Object.entries(added)) writer.raw(writeSetting(revision, name, value));
  return writer
    .raw(part(query, settings.to, stage.from))
    .varuint(STAGE_COMPLETE)
    .raw(part(query, stage.to, text.lengthAt))
    .varuint(textBytes)
    .bytes();
}

/**
 * A query of our own in the name of the client that sent `query`: its client info, roles and query parameters (as far as `query` was read), its settings
 * if `keepsSettings`, no id, no compression, types as text.
 */
export function ownQuery(query: ReadQuery, revision: number, sql: string, keepsSettings = false): Buffer {
  const { clientInfo, settings, roles } = query.head;
  const writer = new ByteWriter()
    .varuint(CLIENT_PACKETS.Query)
    .string('')
    .raw(part(query, clientInfo.from, clientInfo.to))
    .raw(keepsSettings ? part(query, settings.from, settings.to) : Buffer.alloc(0));
  const bytes = Buffer.byteLength(sql);
  const isLimited = keepsSettings && settings.values.has('max_query_size');
  if (isLimited || bytes >= DEFAULT_MAX_QUERY_BYTES) writer.raw(writeSetting(revision, 'max_query_size', bytes + 1));
  // A session may ask for types that are not text. Its client can read them, so it is not older than the setting.
  if (hasFeature(revision, 'chunked framing')) writer.raw(writeSetting(revision, 'output_format_native_encode_types_in_binary_format', 0));
  writer.string('').raw(part(query, roles.from, roles.to));
  if (hasFeature(revision, 'interserver secret')) writer.string('');
  writer.varuint(STAGE_COMPLETE).varuint(0).string(sql);
  if (!hasFeature(revision, 'query parameters')) return writer.bytes();
  const parameters = part(query, query.head.text.to);
  return (parameters.length > 0 ? writer.raw(parameters) : writer.string('')).bytes();
}

/** `max_query_size` of the server. */
export const DEFAULT_MAX_QUERY_BYTES = 262_144;

/** Replaces the revision that the client repeats in its client info, in place; both take three bytes. */
export function patchClientRevision(head: QueryHead, bytes: Buffer, revision: number): void {
  const span = head.clientInfo.revision;
  if (span === undefined) return;
  const patched = new ByteWriter().varuint(revision).bytes();
  if (patched.length === span.to - span.from) patched.copy(bytes, span.from - head.start);
}
