import { TextDecoder } from 'node:util';
import { DEFAULT_MAX_QUERY_BYTES, type AddedSettings, type QueryHead } from '../../protocol/index.ts';
import type { Dispatcher } from '../../query/index.ts';
import { firstWords, parseStatement } from '../../sql/index.ts';
import type { Flow } from './flow.ts';

const FIRST_HEAD_BYTES = 1024;
const HEAD_GROWTH = 8;
/** Where the first word must stand, comments before it included. */
const FIRST_WORD_CHARACTERS = 4096;
/** How much of a long INSERT is read for its head: everything after it is data. */
export const INSERT_HEAD_BYTES = 64 * 1024;

/** Asks the dispatcher about longer and longer heads of the text that comes next, up to about `limitBytes`, consuming none of it. */
export async function classifyText(
  client: Flow,
  head: QueryHead,
  limitBytes: number,
  classify: Dispatcher['classify'],
): Promise<'forward' | 'whole'> {
  const bytes = head.text.to - head.text.from;
  for (let headBytes = FIRST_HEAD_BYTES; ; headBytes *= HEAD_GROWTH) {
    const seenBytes = Math.min(bytes, headBytes, limitBytes + 1);
    const isComplete = seenBytes === bytes;
    const decision = classify(await peekText(client, seenBytes), isComplete);
    if (decision !== 'more') return decision;
    if (isComplete || seenBytes > limitBytes) return 'forward';
  }
}

/** The next bytes as latin1 text, not consumed. */
export async function peekText(client: Flow, bytes: number): Promise<string> {
  await client.want(bytes);
  return client.chunk.toString('latin1', client.at, client.at + bytes);
}

/** `max_query_size` for a text of ours that is longer than the client's limit. */
export function enlargedQuerySize(head: QueryHead, sql: string): AddedSettings {
  const bytes = Buffer.byteLength(sql);
  const allowed = maxQuerySize(head) ?? DEFAULT_MAX_QUERY_BYTES;
  return allowed === 0 || bytes < allowed ? {} : { max_query_size: bytes + 1 };
}

/** `max_query_size` for a statement that has grown by `grownBytes` to `bytes`: it is within the limit if the client's own was. */
export function raisedQuerySize(head: QueryHead, grownBytes: number, bytes: number): AddedSettings {
  const allowed = maxQuerySize(head);
  if (allowed !== undefined) return allowed === 0 ? {} : { max_query_size: allowed + grownBytes };
  return bytes < DEFAULT_MAX_QUERY_BYTES ? {} : { max_query_size: bytes + 1 };
}

/** What the client sets it to. */
export function maxQuerySize(head: QueryHead): number | undefined {
  const value = Number(head.settings.values.get('max_query_size') ?? Number.NaN);
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** Also `WITH … INSERT INTO …`. */
export function isInsert(text: string): boolean {
  if (firstWord(text) === 'INSERT') return true;
  if (!mayBeInsert(text)) return false;
  const parsed = parseStatement(text);
  return parsed.ok && parsed.statement.kind === 'insert';
}

/** Also `WITH … INSERT INTO …`; may say so of a SELECT. */
export function mayBeInsert(text: string): boolean {
  const first = firstWord(text);
  return first === 'INSERT' || (first === 'WITH' && /\binsert\b/i.test(text));
}

/** A statement that only reads; of one that begins with WITH, no if in doubt. */
export function isRead(text: string): boolean {
  const first = firstWord(text);
  return first === 'SELECT' || first === 'FROM' || (first === 'WITH' && !mayBeInsert(text));
}

function firstWord(text: string): string | undefined {
  return firstWords(text.slice(0, FIRST_WORD_CHARACTERS), 1).words[0];
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A text that is not UTF-8 is read with replacement characters: good enough to say whether it is ours, never sent on. */
export function decodeUtf8(bytes: Buffer): { readonly text: string; readonly isUtf8: boolean } {
  try {
    return { text: UTF8.decode(bytes), isUtf8: true };
  } catch {
    return { text: bytes.toString(), isUtf8: false };
  }
}
