import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { promisedIdleMs } from './connections.ts';
import { asksForProgressHeaders, EarlyHead } from './early-head.ts';
import {
  afterClientsBytes,
  cut,
  firstCause,
  isNoConnection,
  isRepeatable,
  MAX_ATTEMPTS,
  pairs,
  unreachable,
  writeHead,
  type AnswerHead,
  type AnswerOptions,
  type ForwardedBody,
  type ForwardedRequest,
} from './exchange.ts';
import type { Upstream } from './upstream.ts';

/**
 * Sends one request to the server and its answer to the client, both streaming with back-pressure, byte for byte.
 *
 * - The client goes away: the request to the server is cut, which cancels the query there if the server is set so.
 * - The server tells of progress in the head of its answer: the client gets each line when it comes.
 * - The server breaks off in mid-answer: the client's connection is cut after the bytes that came, never ended cleanly.
 * - No answer at all: the client gets exception 210 (NETWORK_ERROR) in the server's own shape, naming the server and the cause.
 * - A kept connection turns out to be closed: sent again if the request is safe to repeat (GET, HEAD or OPTIONS without a body).
 */
export function forward(
  upstream: Upstream,
  client: IncomingMessage,
  answer: ServerResponse,
  request: ForwardedRequest,
  options: AnswerOptions = {},
): void {
  const isInPieces = headComesInPieces(client, request, options);
  let sent: ClientRequest;
  let attempts = 0;
  let isAnswered = false;
  const early = isInPieces ? new EarlyHead(answer) : undefined;
  const send = (): void => {
    attempts += 1;
    sent = openRequest(upstream, request);
    early?.listenTo(sent);
    if (isBodyUntouched(request.body)) {
      sent.on('continue', () => {
        answer.writeContinue();
      });
    }
    sent.on('response', (received) => {
      isAnswered = true;
      upstream.heardKeepAlive(promisedIdleMs(received.headers['keep-alive']));
      relayAnswer(received, client, answer, options, early);
    });
    sent.on('error', (error) => {
      if (isAnswered || answer.destroyed) return;
      if (early?.hasBegun === true) {
        client.socket.destroySoon();
        return;
      }
      if (attempts < MAX_ATTEMPTS && sent.reusedSocket && isRepeatable(request.method, request.body.kind !== 'none')) send();
      else answerUnreachable(upstream, client, answer, firstCause(error), wasConnected(sent, firstCause(error)));
    });
    sendBody(sent, request.body);
  };
  answer.on('close', () => {
    if (!answer.writableFinished) sent.destroy();
  });
  send();
}

/** Progress headers pass one by one; not to HTTP/1.0, whose head is changed. */
function headComesInPieces(client: IncomingMessage, request: ForwardedRequest, options: AnswerOptions): boolean {
  return options.rewriteHead === undefined && client.httpVersionMinor !== 0 && asksForProgressHeaders(request.target);
}

/** With `Expect: 100-continue` the client waits for the server's word; unless it was told to go on because somebody wanted to read its statement. */
function isBodyUntouched(body: ForwardedBody): boolean {
  return body.kind === 'stream' && body.read.length === 0 && !body.rest.readableEnded;
}

function openRequest(upstream: Upstream, request: ForwardedRequest): ClientRequest {
  const { method, target, rawHeaders } = request;
  if (request.body.kind !== 'none' || method === 'GET' || method === 'HEAD') {
    return upstream.request({ method, path: target, headers: rawHeaders });
  }
  // A POST that names no length: Node would promise a chunked body, and the server answers 411 only when nothing is promised.
  const sent = upstream.request({ method, path: target, setHost: false } as Parameters<Upstream['request']>[0]);
  sent.useChunkedEncodingByDefault = false;
  for (let i = 0; i < rawHeaders.length; i += 2) sent.appendHeader(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
  return sent;
}

function sendBody(sent: ClientRequest, body: ForwardedBody): void {
  if (body.kind === 'none') {
    sent.end();
  } else if (body.kind === 'bytes') {
    sent.end(body.bytes);
  } else {
    const { read, rest } = body;
    for (const chunk of read) sent.write(chunk);
    if (rest.readableEnded) {
      endWithTrailers(sent, rest);
      return;
    }
    // The head must go now: with `Expect: 100-continue` the body comes only after the server's word.
    if (read.length === 0) sent.flushHeaders();
    rest.pipe(sent, { end: false });
    rest.on('end', () => {
      endWithTrailers(sent, rest);
    });
    // A server that answered early and closed takes no more: the client's bytes are then thrown away, so that it comes to read the answer.
    sent.on('close', () => {
      rest.unpipe(sent);
      rest.resume();
    });
  }
}

function endWithTrailers(target: ClientRequest | ServerResponse, source: IncomingMessage): void {
  if (source.rawTrailers.length > 0) target.addTrailers(pairs(source.rawTrailers));
  target.end();
}

function relayAnswer(
  received: IncomingMessage,
  client: IncomingMessage,
  answer: ServerResponse,
  options: AnswerOptions,
  early: EarlyHead | undefined,
): void {
  const head: AnswerHead = { status: received.statusCode ?? 0, reason: received.statusMessage ?? '', rawHeaders: received.rawHeaders };
  if (options.after !== undefined && options.notice !== undefined && received.statusCode === 200 && early === undefined) {
    relayWithNotice(received, client, answer, head, options.after, options.notice);
    return;
  }
  writeHead(client, answer, options.rewriteHead?.(head) ?? head);
  if (early?.finish() === false) {
    received.destroy();
    client.socket.destroySoon();
    return;
  }
  received.on('error', () => {
    cut(client, answer);
  });
  if (options.after !== undefined && received.statusCode === 200) {
    relayHoldingEnd(received, client, answer, options.after);
    return;
  }
  received.pipe(answer, { end: false });
  received.on('end', () => {
    endAnswer(received, client, answer);
  });
}

/** Answers to statements about tables are short; a longer one is not held back for the sake of its head. */
const MAX_HELD_BYTES = 64 * 1024;

/** Holds a short answer back until `after` is over, so that its head can tell what came of it. */
function relayWithNotice(
  received: IncomingMessage,
  client: IncomingMessage,
  answer: ServerResponse,
  head: AnswerHead,
  after: () => Promise<void>,
  notice: () => string | undefined,
): void {
  const held: Buffer[] = [];
  let heldBytes = 0;
  const writeHeld = (text?: string): void => {
    writeHead(client, answer, text === undefined ? head : { ...head, rawHeaders: [...head.rawHeaders, NOTICE_HEADER, headerValue(text)] });
    for (const chunk of held.splice(0)) answer.write(chunk);
  };
  const end = (): void => {
    void after().finally(() => {
      writeHeld(notice());
      endAnswer(received, client, answer);
    });
  };
  const hold = (chunk: Buffer): void => {
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes <= MAX_HELD_BYTES) return;
    received.off('data', hold).off('end', end);
    const last = held.pop();
    writeHeld();
    relayHoldingEnd(received, client, answer, after, last);
  };
  received.on('data', hold).on('end', end);
  received.on('error', () => {
    if (!answer.headersSent) writeHeld();
    cut(client, answer);
  });
}

const NOTICE_HEADER = 'X-Sluice-Notice';

/** A header is ASCII: what is not is written as in JSON. */
function headerValue(text: string): string {
  return text.replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Passes the answer on one chunk late, so that `after` is over before the client has the last of it. `first`: a chunk that came already. */
function relayHoldingEnd(
  received: IncomingMessage,
  client: IncomingMessage,
  answer: ServerResponse,
  after: () => Promise<void>,
  first?: Buffer,
): void {
  let held = first;
  received.on('data', (chunk: Buffer) => {
    if (held !== undefined && !answer.write(held)) {
      received.pause();
      answer.once('drain', () => received.resume());
    }
    held = chunk;
  });
  received.on('end', () => {
    void after().finally(() => {
      if (held !== undefined) answer.write(held);
      endAnswer(received, client, answer);
    });
  });
}

function endAnswer(received: IncomingMessage, client: IncomingMessage, answer: ServerResponse): void {
  afterClientsBytes(client, answer, () => {
    endWithTrailers(answer, received);
  });
}

function answerUnreachable(
  upstream: Upstream,
  client: IncomingMessage,
  answer: ServerResponse,
  cause: NodeJS.ErrnoException,
  isConnected: boolean,
): void {
  const { body, ...head } = unreachable(upstream, cause, { isConnected, isKept: client.complete });
  client.unpipe();
  writeHead(client, answer, head);
  answer.write(body);
  afterClientsBytes(client, answer, () => answer.end());
}

/** Whether anything of the request can have reached the server, TLS and its checks included. */
function wasConnected(sent: ClientRequest, cause: NodeJS.ErrnoException): boolean {
  if (isNoConnection(cause)) return false;
  const { socket } = sent;
  if (!(socket instanceof TLSSocket) || socket.authorized) return true;
  // Null before the handshake is over; otherwise a code, in spite of the type. With checks turned off it is no reason to stop.
  const refused = socket.authorizationError as unknown as string | null;
  return refused !== null && refused !== cause.code;
}
