import http from 'node:http';
import https from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { addressOfUrl } from '../url-address.ts';
import type { Reach } from './reach.ts';
import { withDeadline } from '../pauses.ts';

export interface HttpQuestion {
  /** http or https; a user and password in it are not looked at. */
  readonly url: string | URL;
  /** Redirects of GET only are followed: a body of POST may hold credentials. */
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Longest time for all of it, redirects included. */
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  /** Nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'rejectUnauthorized'>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

const MOST_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Asks an HTTP server that the operator lets the gateway connect to. Each redirect is checked as the first address was, and another origin gets none of the
 * question's headers but `accept`. Throws a `ReachError`, the system's error, or a sentence when too much comes or too late.
 */
export async function askWithin(reach: Reach, question: HttpQuestion): Promise<HttpAnswer> {
  return withDeadline(question.timeoutMs, [question.signal], async (signal) => askThrough(reach, question, signal));
}

async function askThrough(reach: Reach, question: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer> {
  let url = new URL(question.url);
  let headers = question.headers ?? {};
  for (let redirects = 0; ; redirects += 1) {
    const { status, text, location } = await askOnce(reach, { ...question, url, headers }, signal);
    if (location === undefined || question.method === 'POST' || !REDIRECTS.has(status)) return { status, text };
    if (redirects === MOST_REDIRECTS) throw new Error(`${url.origin} redirects more than ${MOST_REDIRECTS} times`);
    const next = new URL(location, url);
    if (next.origin !== url.origin) headers = headers['accept'] === undefined ? {} : { accept: headers['accept'] };
    url = next;
  }
}

async function askOnce(
  reach: Reach,
  { url: address, method = 'GET', headers, body, maxAnswerBytes, tls }: HttpQuestion,
  signal: AbortSignal,
): Promise<HttpAnswer & { readonly location: string | undefined }> {
  const url = new URL(address);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error(`${url.protocol} is neither http nor https`);
  const isTls = url.protocol === 'https:';
  const { host, port } = addressOfUrl(url);
  reach.assertHost(host, port);
  const options = { host, port, path: url.pathname + url.search, method, headers, signal, lookup: reach.lookupFor(port), agent: false };
  return new Promise((resolve, reject) => {
    const request = isTls ? https.request({ ...options, ...tls }) : http.request(options);
    request.on('error', reject);
    request.on('response', (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        bytes += piece.length;
        pieces.push(piece);
        if (bytes > maxAnswerBytes) request.destroy(new Error(`${url.origin} answered more than ${maxAnswerBytes} bytes`));
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString(), location: response.headers.location });
      });
    });
    request.end(body);
  });
}
