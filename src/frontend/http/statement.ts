import type { IncomingMessage } from 'node:http';
import type { Dispatcher } from '../../query/index.ts';
import { decodePrefix, isPlain } from './body-coding.ts';
import { readFormText } from './form.ts';
import { firstWords, parseStatement } from '../../sql/index.ts';
import { readMore, readOneChunk, takeMemory, type ReadBytes } from './peek.ts';
import type { StatementRequest } from './request.ts';

const FIRST_HEAD_BYTES = 1024;
const HEAD_GROWTH = 8;
/** How much of an INSERT is read for its head: everything after it is data. */
const INSERT_HEAD_BYTES = 64 * 1024;

/** A statement as far as it was read. `isWhole`: nothing of it is missing. */
export interface ReadStatement {
  readonly bytes: Buffer;
  readonly isWhole: boolean;
}

/**
 * Asks the dispatcher about longer and longer heads, reading the body only as far as it wants to know, and not beyond `limitBytes`.
 * A body that cannot be decoded is not ours; `unread`: a form whose statement stands behind so much else that it was not looked for.
 */
export async function classifyBody(
  client: IncomingMessage,
  request: StatementRequest,
  read: ReadBytes,
  limitBytes: number,
  classify: Dispatcher['classify'],
): Promise<'forward' | 'whole' | 'unread'> {
  let headBytes = FIRST_HEAD_BYTES;
  for (;;) {
    const { bytes: head } = decodeStatement(request, read, headBytes) ?? {};
    if (head === undefined) return 'forward';
    const isLonger = head.length > headBytes;
    const decision = classify(head.toString('latin1', 0, headBytes), read.ended && !isLonger);
    if (decision !== 'more') return decision;
    if (read.bytes > limitBytes || headBytes > limitBytes) return request.body.kind === 'form' ? 'unread' : 'forward';
    if (isLonger) headBytes *= HEAD_GROWTH;
    else if (read.ended) return 'forward';
    else await readOneChunk(client, read);
  }
}

/** What the statement's part in the URL decides: `whole` when it is all of the statement and may be ours, `more` when the body has a say. */
export function classifyUrl({ urlText, body }: StatementRequest, classify: Dispatcher['classify']): 'forward' | 'whole' | 'more' {
  const isAll = body.kind === 'none';
  if (urlText === '') return isAll ? 'forward' : 'more';
  const decision = classify(urlText, isAll);
  if (decision === 'forward') return 'forward';
  // The body of an INSERT is data, when its head stands in the URL.
  return isAll || (body.kind !== 'form' && decision === 'whole' && isInsert(urlText)) ? 'whole' : 'more';
}

/**
 * The same at once, of what has come already; `whole` also for a body that cannot be decoded, `more` when that does not decide it. `bytes` are the body's beginning, `isWhole` when they are all of it.
 */
export function classifyArrived(
  request: StatementRequest,
  bytes: Buffer,
  isWhole: boolean,
  classify: Dispatcher['classify'],
): 'forward' | 'whole' | 'more' {
  const { bytes: head } = decodeStatement(request, { chunks: [bytes], bytes: bytes.length, ended: isWhole }, FIRST_HEAD_BYTES) ?? {};
  if (head === undefined) return 'whole';
  return classify(head.toString('latin1', 0, FIRST_HEAD_BYTES), isWhole && head.length <= FIRST_HEAD_BYTES);
}

/** Reads the statement to its end, or just beyond `limitBytes`; of an INSERT only what surely holds its head. */
export async function readStatement(
  client: IncomingMessage,
  request: StatementRequest,
  read: ReadBytes,
  limitBytes: number,
): Promise<ReadStatement | undefined> {
  await readMore(client, read, () => read.bytes >= FIRST_HEAD_BYTES);
  const head = decodeStatement(request, read, FIRST_HEAD_BYTES);
  const limit = head !== undefined && isInsert(head.bytes) ? INSERT_HEAD_BYTES : limitBytes;
  await readMore(client, read, () => read.bytes > limit);
  const statement = decodeStatement(request, read, limit);
  // What was unfolded stays as long as the statement is being handled.
  if (statement !== undefined) takeMemory(read, Math.max(0, statement.bytes.length - read.bytes));
  return statement && { bytes: statement.bytes.subarray(0, limit), isWhole: statement.isWhole && statement.bytes.length <= limit };
}

type ArrivedBytes = Pick<ReadBytes, 'chunks' | 'bytes' | 'ended'>;

/** The server's way of joining URL and body; undefined when the body is not what its headers say. May be longer than `limitBytes`. */
function decodeStatement(request: StatementRequest, read: ArrivedBytes, limitBytes: number): ReadStatement | undefined {
  const { body, urlText } = request;
  if (body.kind === 'form') return body.boundary === undefined ? undefined : decodeForm(urlText, body.boundary, read);
  if (body.kind !== 'statement') return undefined;
  const url = Buffer.from(urlText === '' ? '' : `${urlText}\n`, 'latin1');
  const coded = joinUpTo(read, isPlain(body.coding) ? limitBytes + 1 : Infinity);
  try {
    return { bytes: Buffer.concat([url, decodePrefix(body.coding, coded, limitBytes + 1)]), isWhole: read.ended };
  } catch {
    return undefined;
  }
}

/** Tables may be large, so that the statement of a long form counts as whole when the fields that have come are. */
function decodeForm(urlText: string, boundary: string, read: ArrivedBytes): ReadStatement {
  const { text, isCutOff } = readFormText(joinUpTo(read, Infinity), boundary);
  return { bytes: Buffer.concat([Buffer.from(urlText, 'latin1'), text]), isWhole: !isCutOff };
}

function joinUpTo(read: ArrivedBytes, limitBytes: number): Buffer {
  const first = read.chunks[0];
  if (first !== undefined && (read.chunks.length === 1 || first.length >= limitBytes)) return first.subarray(0, limitBytes);
  return Buffer.concat(read.chunks, Math.min(read.bytes, limitBytes));
}

/** Also `WITH … INSERT INTO …`. */
export function isInsert(statement: Buffer | string): boolean {
  const head = typeof statement === 'string' ? statement : statement.toString('latin1', 0, INSERT_HEAD_BYTES);
  const [word] = firstWords(head.slice(0, FIRST_HEAD_BYTES), 1).words;
  if (word !== 'WITH' || !/\binsert\b/i.test(head)) return word === 'INSERT';
  const parsed = parseStatement(head);
  return parsed.ok && parsed.statement.kind === 'insert';
}
