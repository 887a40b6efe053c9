import type { IncomingMessage } from 'node:http';
import { isKnownEncoding, type BodyCoding } from './body-coding.ts';
import { findParameter } from './parameters.ts';

/** Where a request's statement stands. */
export interface StatementRequest {
  /** Path and query string as the client wrote them. */
  readonly target: string;
  /** The `query` parameter, latin1; empty when there is none. */
  readonly urlText: string;
  /**
   * What the body is: nothing, the end of the statement (and its data), or a form with external tables, whose fields `query` end the statement.
   * The server joins URL and body by a newline, and URL and fields by nothing.
   */
  readonly body: 'none' | 'statement' | 'form';
  readonly coding: BodyCoding;
}

/** Reads where the statement is; undefined for what runs no statement of the client's: other paths, methods, broken escapes, unknown encodings. */
export function readRequest(client: IncomingMessage, target: string): StatementRequest | undefined {
  const { method, headers } = client;
  if (!runsStatement(method ?? '', target)) return undefined;
  const encoding = headers['content-encoding'] ?? '';
  if (encoding !== '' && !isKnownEncoding(encoding)) return undefined;
  const urlText = findParameter(target, 'query') ?? '';
  const body = bodyOf(headers);
  const nativeBlocks = body === 'statement' && isTrue(findParameter(target, 'decompress'));
  return { target, urlText, body, coding: { encoding, nativeBlocks } };
}

// The server's own filter of its query handler (`HTTPHandlerFactory.cpp`, tried on 26.7).
function runsStatement(method: string, target: string): boolean {
  if (method !== 'GET' && method !== 'POST' && method !== 'HEAD') return false;
  if (target.startsWith('/?') || target.startsWith('/query?') || target.startsWith('?')) return true;
  return method === 'POST' && target === '/';
}

function bodyOf(headers: IncomingMessage['headers']): StatementRequest['body'] {
  if (headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0') return 'none';
  return headers['content-type']?.toLowerCase().startsWith('multipart/form-data') === true ? 'form' : 'statement';
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && value !== '0' && value !== 'false' && value !== '';
}
