import { IncomingMessage, type ClientRequest, type ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { ClickHouseException } from '../errors.ts';
import { promisedIdleMs } from './connections.ts';
import { asksForProgressHeaders, EarlyHead } from './early-head.ts';
import {
  afterClientsBytes,
  cut,
  firstCause,
  isNoConnection,
  isRepeatable,
  MAX_ATTEMPTS,
  ownAnswer,
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
    sendBody(sent, request.body, (error) => {
      const isLate = isAnswered;
      isAnswered = true;
      sent.destroy();
      if (isLate || !(error instanceof ClickHouseException)) client.socket.destroySoon();
      else answerOwn(client, answer, ownAnswer(error, false));
    });
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

/** `onBroken`: the client's body cannot be decoded to its end. */
function sendBody(sent: ClientRequest, body: ForwardedBody, onBroken: (error: Error) => void): void {
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
    if (!(rest instanceof IncomingMessage)) rest.on('error', onBroken);
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

function endWithTrailers(target: ClientRequest | ServerResponse, source: Readable): void {
  if (source instanceof IncomingMessage && source.rawTrailers.length > 0) target.addTrailers(pairs(source.rawTrailers));
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
  const back: WayBack = { received, client, answer, early };
  if (options.after !== undefined && head.status === 200 && !isException(head)) {
    relayWhenDone(back, head, { ...options, after: options.after });
  } else if (options.rewriteException !== undefined && isException(head)) {
    relayException(back, head, options.rewriteException);
  } else if (begin(back, options.rewriteHead?.(head) ?? head)) {
    received.on('error', () => {
      cut(client, answer);
    });
    relayRest(back);
  }
}

function relayRest(back: WayBack): void {
  back.received.pipe(back.answer, { end: false });
  back.received.on('end', () => {
    endAnswer(back);
  });
}

/** An answer on its way from the server to the client. */
interface WayBack {
  readonly received: IncomingMessage;
  readonly client: IncomingMessage;
  readonly answer: ServerResponse;
  readonly early: EarlyHead | undefined;
}

/** Also where the status tells nothing, since it stood there before the server knew. */
function isException({ status, rawHeaders }: AnswerHead): boolean {
  return status >= 400 || rawHeaders.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'x-clickhouse-exception-code');
}

/** Writes the head. False when the client has the beginning of another one already: then its connection is cut. */
function begin({ received, client, answer, early }: WayBack, head: AnswerHead): boolean {
  writeHead(client, answer, head);
  if (early?.finish() !== false) return true;
  received.destroy();
  client.socket.destroySoon();
  return false;
}

/** Answers that are held back are short; a longer one is not held back for the sake of its head. */
const MAX_HELD_BYTES = 64 * 1024;

/** Holds a short answer back until `after` is over, so that its head can tell what came of it. */
function relayWhenDone(back: WayBack, head: AnswerHead, options: AnswerOptions & Required<Pick<AnswerOptions, 'after'>>): void {
  const { received, answer } = back;
  const held: Buffer[] = [];
  let heldBytes = 0;
  const writeHeld = (text?: string): boolean => {
    if (!begin(back, text === undefined ? head : { ...head, rawHeaders: [...head.rawHeaders, NOTICE_HEADER, headerValue(text)] }))
      return false;
    for (const chunk of held.splice(0)) answer.write(chunk);
    return true;
  };
  const end = (): void => {
    run(options.after, back).then(
      () => {
        if (writeHeld(back.early === undefined ? options.notice?.() : undefined)) endAnswer(back);
      },
      (reason: unknown) => {
        void answerFailure(back, head, options, reason);
      },
    );
  };
  const hold = (chunk: Buffer): void => {
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes <= MAX_HELD_BYTES) return;
    received.off('data', hold).off('end', end);
    const last = held.pop();
    if (writeHeld()) relayHoldingEnd(back, options.after, last);
  };
  received.on('data', hold).on('end', end);
  received.on('error', () => {
    if (!answer.headersSent) writeHeld();
    cut(back.client, answer);
  });
}

/** Runs `after` for as long as the client is there. */
async function run(after: NonNullable<AnswerOptions['after']>, { received, answer }: WayBack): Promise<void> {
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  answer.once('close', leave);
  if (answer.destroyed) leave();
  try {
    const { 'x-clickhouse-query-id': queryId } = received.headers;
    await after(gone.signal, typeof queryId === 'string' ? queryId : undefined);
  } finally {
    answer.off('close', leave);
  }
}

/** The client gets what `after` threw instead of the success. */
async function answerFailure(back: WayBack, head: AnswerHead, { failed }: AnswerOptions, reason: unknown): Promise<void> {
  const { client, answer, early } = back;
  if (answer.destroyed) return;
  try {
    if (failed === undefined) throw reason;
    const whole = await failed(reason, head, early?.hasBegun === true);
    if (!begin(back, whole.head)) return;
    answer.write(whole.body);
    endAnswer(back);
  } catch {
    client.socket.destroySoon();
  }
}

/** Longer texts pass as they are. */
const MAX_EXCEPTION_BYTES = 1024 * 1024;

function relayException(back: WayBack, head: AnswerHead, rewrite: NonNullable<AnswerOptions['rewriteException']>): void {
  const { received, answer } = back;
  const held: Buffer[] = [];
  let heldBytes = 0;
  const writeHeld = (): boolean => {
    if (!begin(back, head)) return false;
    for (const piece of held) answer.write(piece);
    return true;
  };
  const end = (): void => {
    const whole = rewrite({ head, body: Buffer.concat(held) });
    if (!begin(back, whole.head)) return;
    answer.write(whole.body);
    endAnswer(back);
  };
  const hold = (chunk: Buffer): void => {
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes <= MAX_EXCEPTION_BYTES) return;
    received.off('data', hold).off('end', end);
    if (writeHeld()) relayRest(back);
  };
  received.on('data', hold).on('end', end);
  received.on('error', () => {
    if (!answer.headersSent) writeHeld();
    cut(back.client, answer);
  });
}

const NOTICE_HEADER = 'X-Sluice-Notice';

/** A header is ASCII: what is not is written as in JSON. */
function headerValue(text: string): string {
  return text.replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Passes the answer on one chunk late, so that `after` is over before the client has the last of it. `first`: a chunk that came already. */
function relayHoldingEnd(back: WayBack, after: NonNullable<AnswerOptions['after']>, first?: Buffer): void {
  const { received, client, answer } = back;
  let held = first;
  received.on('data', (chunk: Buffer) => {
    if (held !== undefined && !answer.write(held)) {
      received.pause();
      answer.once('drain', () => received.resume());
    }
    held = chunk;
  });
  received.on('end', () => {
    run(after, back).then(
      () => {
        if (held !== undefined) answer.write(held);
        endAnswer(back);
      },
      () => client.socket.destroySoon(),
    );
  });
}

function endAnswer({ received, client, answer }: WayBack): void {
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
  answerOwn(client, answer, unreachable(upstream, cause, { isConnected, isKept: client.complete }));
}

function answerOwn(client: IncomingMessage, answer: ServerResponse, { body, ...head }: ReturnType<typeof ownAnswer>): void {
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
