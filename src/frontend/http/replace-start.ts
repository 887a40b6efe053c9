import type { IncomingMessage } from 'node:http';
import { Transform, type Readable } from 'node:stream';
import type { ForwardedBody, ForwardedRequest } from '../../clickhouse/index.ts';
import { ClickHouseException, clickhouseError } from '../../errors.ts';
import { compressFrame, decompressFrame, FRAME_HEADER_BYTES, readFrameHeader, type CompressionMethod } from '../../protocol/index.ts';
import { decodePrefix, type BodyCoding } from './body-coding.ts';
import { readFormText } from './form.ts';
import { filterHeaders, type RawHeaders } from './headers.ts';
import { changeParameters } from './parameters.ts';
import { readMore, type ReadBytes } from './peek.ts';
import type { StatementRequest } from './request.ts';
import { STREAM_DECODERS, type StreamDecoder } from './stream-decoders.ts';

/** A request whose statement gets another beginning. */
export interface OtherStart {
  readonly client: IncomingMessage;
  readonly request: StatementRequest;
  readonly read: ReadBytes;
  /** How many bytes of the statement give way. */
  readonly bytes: number;
  /** What takes their place. */
  readonly start: Buffer;
}

type Changed = Pick<ForwardedRequest, 'target' | 'rawHeaders' | 'body'>;

/**
 * The client's request with another beginning of its statement. What follows streams as it is on the wire; where the beginning cannot be written in the body's
 * coding, the body is decoded on its way. Rejects with the exception that the client must get where neither can be done.
 */
export async function withOtherStart(of: OtherStart): Promise<Changed> {
  const { client, request, read, bytes, start } = of;
  const { target, body } = request;
  const { rawHeaders } = client;
  const url = Buffer.from(request.urlText, 'latin1');
  if (body.kind === 'none' || bytes <= url.length) {
    const query = Buffer.concat([start, url.subarray(bytes)]);
    return { target: withQuery(target, query), rawHeaders, body: restOf(client, read) };
  }
  if (body.kind === 'form') return inForm(of, body.boundary ?? '', bytes - url.length);
  if (body.kind !== 'statement') throw new TypeError('the beginning of a statement that was not read cannot be replaced');
  // The server puts a newline between the two parts.
  const inBody = bytes - (url.length === 0 ? 0 : url.length + 1);
  const encoding = body.coding.encoding.toLowerCase();
  return inStatementBody(of, { nativeBlocks: body.coding.nativeBlocks, encoding: encoding === 'identity' ? '' : encoding }, inBody);
}

/** The statement in the URL, or in the body alone. */
function withQuery(target: string, query?: Buffer): string {
  return changeParameters(target, (name) => name !== 'query', query === undefined ? {} : { query });
}

/** The body as it came. */
export function restOf(client: IncomingMessage, read: ReadBytes): ForwardedBody {
  const { headers } = client;
  const hasBody = headers['transfer-encoding'] !== undefined || headers['content-length'] !== undefined;
  return hasBody ? { kind: 'stream', read: read.chunks, rest: client, isWhole: read.ended } : { kind: 'none' };
}

/** The body with its first `skipped` bytes replaced by `start`. */
function spliced({ client, request, read }: OtherStart, skipped: number, start: Buffer): Changed {
  const bytes = Buffer.concat(read.chunks);
  return {
    target: withQuery(request.target),
    rawHeaders: lengthened(client.rawHeaders, start.length - skipped),
    body: { kind: 'stream', read: [start, bytes.subarray(skipped)], rest: client, isWhole: read.ended },
  };
}

/** With a `Content-Length` of so many bytes more or, below zero, less. */
export function lengthened(rawHeaders: RawHeaders, bytes: number): string[] {
  const isLength = (i: number): boolean => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === 'content-length';
  return rawHeaders.map((text, i) => (isLength(i) ? String(Number(text) + bytes) : text));
}

/** `bytes` of the fields' texts give way. */
function inForm(of: OtherStart, boundary: string, bytes: number): Changed {
  const form = Buffer.concat(of.read.chunks);
  const [[from, to] = [0, 0]] = readFormText(form, boundary).spans;
  if (bytes > to - from)
    throw clickhouseError(
      'NOT_IMPLEMENTED',
      'An INSERT into a Kafka table whose head stands in several fields is not supported by the gateway',
    );
  return spliced(of, from + bytes, Buffer.concat([form.subarray(0, from), of.start]));
}

async function inStatementBody(of: OtherStart, coding: BodyCoding, bytes: number): Promise<Changed> {
  const { encoding, nativeBlocks } = coding;
  if (encoding === '' && !nativeBlocks) return spliced(of, bytes, of.start);
  const replaced = nativeBlocks ? await inBlocks(of, encoding, bytes) : { skipped: bytes, start: of.start };
  const decoder = STREAM_DECODERS[encoding];
  if (encoding === '') return spliced(of, replaced.skipped, replaced.start);
  if (decoder === undefined) throw new TypeError(`a statement in ${encoding} was not read`);
  return decodedOnItsWay(of, decoder, replaced.skipped, replaced.start);
}

const NOT_STREAMED =
  'INSERT into a Kafka table with its data in the same text as the statement is not supported by the gateway in this encoding: put the statement into the URL';

const BODY_HEADERS: ReadonlySet<string> = new Set(['content-length', 'content-encoding', 'transfer-encoding', 'expect', 'trailer']);

/** A block that begins later than the head ends is nobody's first. */
const MAX_BLOCK_BYTES = 64 * 1024 * 1024;

/** The compressed blocks that hold the first `bytes` bytes, as one block with `start` in their place. */
async function inBlocks(of: OtherStart, encoding: string, bytes: number): Promise<{ readonly skipped: number; readonly start: Buffer }> {
  const { client, read } = of;
  for (let needed = 1; ;) {
    await readMore(client, read, () => read.bytes >= needed);
    const coded = Buffer.concat(read.chunks);
    const blocks = unfoldBlocks(encoding === '' ? coded : decodePrefix({ encoding, nativeBlocks: false }, coded, Infinity), bytes);
    if (blocks.missing === undefined)
      return { skipped: blocks.end, start: compressFrame(Buffer.concat([of.start, blocks.data.subarray(bytes)]), blocks.method) };
    if (read.ended) throw new ClickHouseException(33, 'CANNOT_READ_ALL_DATA', 'Cannot read all data of a compressed block');
    // What an encoding hides behind so many bytes is not known.
    needed = encoding === '' ? blocks.missing : Math.ceil(read.bytes * 1.5);
    if (needed > MAX_BLOCK_BYTES) throw clickhouseError('NOT_IMPLEMENTED', NOT_STREAMED);
  }
}

interface Unfolded {
  readonly data: Buffer;
  readonly method: CompressionMethod;
  readonly end: number;
  readonly missing?: number;
}

/** The blocks that hold the first `bytes` bytes, and where they end; `missing`: how many bytes must have come before that can be said. */
function unfoldBlocks(coded: Buffer, bytes: number): Unfolded {
  const parts: Buffer[] = [];
  let end = 0;
  // The server wants one method for all blocks.
  let method: CompressionMethod = 'LZ4';
  for (let unfolded = 0; unfolded < bytes;) {
    const headEnd = end + FRAME_HEADER_BYTES;
    const header = headEnd <= coded.length ? readFrameHeader(coded, end) : undefined;
    if (header === undefined && headEnd <= coded.length) throw clickhouseError('NOT_IMPLEMENTED', NOT_STREAMED);
    const frameEnd = header === undefined ? headEnd : end + header.frameBytes;
    if (header === undefined || frameEnd > coded.length) return { data: Buffer.alloc(0), method, end, missing: frameEnd };
    const part = unfold(coded.subarray(end, frameEnd));
    parts.push(part);
    method = header.method;
    unfolded += part.length;
    end = frameEnd;
  }
  return { data: Buffer.concat(parts), method, end };
}

function unfold(frame: Buffer): Buffer {
  try {
    return decompressFrame(frame);
  } catch (error) {
    throw new ClickHouseException(271, 'CANNOT_DECOMPRESS', `Cannot decompress: ${(error as Error).message}`, { cause: error });
  }
}

/** The body without its encoding, its first `skipped` bytes replaced by `start`. */
function decodedOnItsWay({ client, request, read }: OtherStart, decoder: StreamDecoder, skipped: number, start: Buffer): Changed {
  const headers = filterHeaders(client.rawHeaders, (name) => !BODY_HEADERS.has(name));
  return {
    target: withQuery(request.target),
    rawHeaders: [...headers, 'Transfer-Encoding', 'chunked'],
    body: { kind: 'stream', read: [start], rest: decode(client, read, decoder, skipped), isWhole: false },
  };
}

function decode(client: IncomingMessage, read: ReadBytes, { create, broken }: StreamDecoder, skipped: number): Readable {
  let left = skipped;
  const rest = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      const piece = left === 0 ? chunk : chunk.subarray(left);
      left -= chunk.length - piece.length;
      if (piece.length > 0) rest.push(piece);
      done();
    },
  });
  const decoder = create();
  decoder.on('error', (error) => rest.destroy(broken(error)));
  for (const chunk of read.chunks) decoder.write(chunk);
  if (read.ended) decoder.end();
  else client.pipe(decoder);
  return decoder.pipe(rest);
}
