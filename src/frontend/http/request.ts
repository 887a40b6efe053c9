import { isKnownEncoding, type BodyCoding } from './body-coding.ts';
import { boundaryOf } from './form.ts';
import { findParameter } from './parameters.ts';

/** Where a request's statement stands. */
export interface StatementRequest {
  /** Path and query string as the client wrote them. */
  readonly target: string;
  /** The `query` parameter, latin1; empty when there is none. */
  readonly urlText: string;
  readonly body: RequestBody;
}

/** What the body is. The server joins URL and body by a newline, and URL and fields of a form by nothing. */
export type RequestBody =
  | { readonly kind: 'none' }
  /** The end of the statement, and its data. */
  | { readonly kind: 'statement'; readonly coding: BodyCoding }
  /** As `statement`, in an encoding that only the server can read. */
  | { readonly kind: 'opaque' }
  /** A form with external tables, whose fields `query` end the statement. Without a boundary the server refuses it. */
  | { readonly kind: 'form'; readonly boundary: string | undefined };

/** Headers that tell of the body, by lower-case name. */
export interface StatementHeaders {
  readonly 'content-length'?: string | undefined;
  readonly 'transfer-encoding'?: string | undefined;
  readonly 'content-type'?: string | undefined;
  readonly 'content-encoding'?: string | undefined;
}

/** Reads where the statement is; undefined for what runs no statement of the client's: other paths and methods. */
export function readRequest(method: string, target: string, headers: StatementHeaders): StatementRequest | undefined {
  if (!runsStatement(method, target)) return undefined;
  return { target, urlText: findParameter(target, 'query') ?? '', body: readBodyKind(headers, target) };
}

// The server's own filter of its query handler (`HTTPHandlerFactory.cpp`, tried on 26.7).
function runsStatement(method: string, target: string): boolean {
  if (method !== 'GET' && method !== 'POST' && method !== 'HEAD') return false;
  if (target.startsWith('/?') || target.startsWith('/query?') || target.startsWith('?')) return true;
  return method === 'POST' && target === '/';
}

function readBodyKind(headers: StatementHeaders, target: string): RequestBody {
  if (headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0') return { kind: 'none' };
  const type = headers['content-type'] ?? '';
  // Case matters to the server, and a form's encoding does not.
  if (type.startsWith('multipart/form-data')) return { kind: 'form', boundary: boundaryOf(type) };
  const encoding = headers['content-encoding'] ?? '';
  if (encoding !== '' && !isKnownEncoding(encoding)) return { kind: 'opaque' };
  return { kind: 'statement', coding: { encoding, nativeBlocks: isTrue(findParameter(target, 'decompress')) } };
}

/** As the server reads a flag in the URL. */
export function isTrue(value: string | undefined): boolean {
  return value !== undefined && value !== '0' && value !== 'false' && value !== '';
}
