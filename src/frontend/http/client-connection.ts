import type { Socket } from 'node:net';
import { DRAIN_MS, Passage, WireBody, withoutChunks, type Upstream, type WireClient } from '../../clickhouse/index.ts';
import type { Dispatcher } from '../../query/index.ts';
import { readPlainHead, type PlainHead } from './request-head.ts';
import { readRequest } from './request.ts';
import { classifyArrived, classifyUrl } from './statement.ts';

/** What all connections of a front end share. */
export interface ConnectionContext {
  readonly upstream: Upstream;
  readonly dispatcher: Pick<Dispatcher, 'classify'>;
  /** Takes a connection over for good, with bytes of it that are to be read again. */
  readonly serve: (connection: ClientConnection, unread: Buffer) => void;
  /** Longest time until the first byte, in milliseconds. */
  readonly receiveTimeoutMs: number;
  /** Longest time that a client may take nothing of its answer, in milliseconds. */
  readonly sendTimeoutMs: number;
  /** How long a connection may be idle between requests, in milliseconds. */
  readonly keepAliveMs: () => number;
}

/** A request under way. */
interface Exchange {
  readonly passage: Passage;
  readonly body: WireBody;
  /** All of the request has come. */
  isWhole: boolean;
}

const NO_BYTES = Buffer.alloc(0);
const MAX_UNDECIDED_BYTES = 64 * 1024;
/** After that Node's HTTP waits for the rest, with its own time-outs. */
const UNDECIDED_MS = 1_000;
const REQUEST_TIMEOUT = 'HTTP/1.1 408 Request Timeout\r\nConnection: Close\r\n\r\n';

/**
 * A client's connection while it asks for nothing that is ours: its requests and their answers pass byte for byte. At the first request that may be ours,
 * or that is out of the common, the connection goes to `serve` (Node's HTTP and Fastify) and stays there.
 */
export class ClientConnection implements WireClient {
  readonly socket: Socket;
  readonly #context: ConnectionContext;
  #exchange: Exchange | undefined;
  /** The body of a request that was answered before all of it came: it is thrown away. */
  #unwanted: WireBody | undefined;
  /** A request of which too little has come to say whose it is. */
  #undecided: Buffer = NO_BYTES;
  /** What came behind the request under way. */
  #next: Buffer = NO_BYTES;
  /** No further request is taken. */
  #isLast = false;

  constructor(socket: Socket, context: ConnectionContext) {
    this.socket = socket;
    this.#context = context;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('error', ignore);
    socket.on('timeout', this.#onSilence);
    this.#setIdle(context.receiveTimeoutMs);
  }

  /** Takes no further request: closed at once, or with the answer under way. */
  close(): void {
    this.#isLast = true;
    if (this.#exchange === undefined) this.socket.destroySoon();
  }

  answered(isKept: boolean): void {
    const { body, isWhole } = this.#exchange as Exchange;
    this.#exchange = undefined;
    this.#setIdle(this.#context.keepAliveMs());
    if (!isKept) this.#isLast = true;
    if (isWhole) {
      this.#goOn();
      return;
    }
    this.#unwanted = body;
    // Closing with bytes unread would reset the connection, and the client would lose the answer: what it still sends is taken for a moment.
    const timer = this.#isLast ? setTimeout(() => this.socket.destroySoon(), DRAIN_MS) : undefined;
    this.socket.once('close', () => clearTimeout(timer));
    this.socket.resume();
  }

  brokeOff(): void {
    this.#exchange = undefined;
    this.socket.destroySoon();
  }

  sendMore(): void {
    if (this.#exchange?.isWhole === false) this.socket.resume();
  }

  readonly #onData = (piece: Buffer): void => {
    if (this.#exchange?.isWhole === false) this.#sendPiece(this.#exchange, piece);
    else if (this.#exchange !== undefined) this.#keep(piece);
    else if (this.#unwanted !== undefined) this.#throwAway(this.#unwanted, piece);
    else if (this.#undecided.length > 0) this.#begin(Buffer.concat([this.#undecided, piece]));
    else if (!this.#isLast) this.#begin(piece);
  };

  /** A new request. */
  #begin(bytes: Buffer): void {
    this.#undecided = NO_BYTES;
    const { upstream, dispatcher } = this.#context;
    const { connections } = upstream;
    const head = connections === undefined ? undefined : readPlainHead(bytes);
    const body = head && bodyOf(head);
    const end = head && body && endOf(body, bytes, head.bytes);
    if (connections === undefined || head === undefined || body === undefined || end === 'broken') {
      this.#handOver(bytes);
      return;
    }
    const isWhole = end !== undefined;
    const begin = bytes.subarray(0, end);
    const decision = whoseIs(dispatcher, head, begin.subarray(head.bytes), isWhole);
    if (decision === 'more' && !isWhole && bytes.length <= MAX_UNDECIDED_BYTES) {
      // Many clients send the body behind the head, in a packet of its own.
      this.#undecided = bytes;
      this.#setIdle(UNDECIDED_MS);
      return;
    }
    if (decision !== 'forward') {
      this.#handOver(bytes);
      return;
    }
    const passage = new Passage(upstream, connections, this, { method: head.method, begin, isWhole, hasBody: end !== head.bytes });
    this.#exchange = { passage, body, isWhole };
    if (begin.length < bytes.length) this.#keep(bytes.subarray(end));
    passage.start();
  }

  /** A piece of the body of the request under way. */
  #sendPiece(exchange: Exchange, piece: Buffer): void {
    const end = endOf(exchange.body, piece, 0);
    if (end === 'broken') {
      this.socket.destroy();
      return;
    }
    exchange.isWhole = end !== undefined;
    const hasRoom = exchange.passage.send(end === piece.length ? piece : piece.subarray(0, end), exchange.isWhole);
    if (end !== undefined && end < piece.length) this.#keep(piece.subarray(end));
    else if (!hasRoom && !exchange.isWhole) this.socket.pause();
  }

  /** The next request has come before the answer to this one: it waits, as it would on the server. */
  #keep(piece: Buffer): void {
    this.#next = this.#next.length === 0 ? piece : Buffer.concat([this.#next, piece]);
    this.socket.pause();
  }

  #throwAway(body: WireBody, piece: Buffer): void {
    const end = endOf(body, piece, 0);
    if (end === undefined) return;
    this.#unwanted = undefined;
    if (end === 'broken') this.#isLast = true;
    else this.#next = piece.subarray(end);
    this.#goOn();
  }

  /** Nothing is under way: the connection is free for the next request. */
  #goOn(): void {
    if (this.#isLast) {
      this.socket.destroySoon();
      return;
    }
    const bytes = this.#next;
    this.#next = NO_BYTES;
    if (bytes.length === 0) {
      if (this.socket.isPaused()) this.socket.resume();
      return;
    }
    this.#begin(bytes);
    if (this.#exchange !== undefined && this.#next.length === 0) this.socket.resume();
  }

  #setIdle(ms: number): void {
    if (ms !== this.socket.timeout) this.socket.setTimeout(ms);
  }

  /** The client sends no more: the server is told, and decides what becomes of a request under way (`cancel_http_readonly_queries_on_client_close`). */
  readonly #onEnd = (): void => {
    this.#isLast = true;
    if (this.#exchange === undefined) this.socket.destroySoon();
    else this.#exchange.passage.endSending();
  };

  readonly #onClose = (): void => {
    this.#exchange?.passage.drop();
    this.#exchange = undefined;
  };

  readonly #onSilence = (): void => {
    if (this.#undecided.length > 0) this.#handOver(this.#undecided);
    if (this.#exchange !== undefined) this.#waitForReader();
    if (this.#exchange !== undefined || this.#undecided.length > 0) return;
    if (this.socket.bytesRead === 0) this.socket.write(REQUEST_TIMEOUT);
    this.socket.destroySoon();
  };

  /** The server may be silent for as long as it likes; a client that does not read its answer may not. */
  #waitForReader(): void {
    if (this.socket.writableLength === 0) return;
    const { sendTimeoutMs } = this.#context;
    if (this.socket.timeout === sendTimeoutMs) this.socket.destroy();
    else this.#setIdle(sendTimeoutMs);
  }

  #handOver(unread: Buffer): void {
    const { socket } = this;
    socket.pause();
    socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('close', this.#onClose)
      .off('error', ignore)
      .off('timeout', this.#onSilence);
    socket.setTimeout(0);
    this.#context.serve(this, unread);
  }
}

function ignore(): void {
  // 'close' follows, and says all that matters.
}

function bodyOf({ headers }: PlainHead): WireBody {
  if (headers['transfer-encoding'] !== undefined) return new WireBody('chunks', 0);
  const bytes = Number(headers['content-length'] ?? 0);
  return new WireBody(bytes === 0 ? 'none' : 'length', bytes);
}

/** Where the body that begins or goes on at `from` ends, undefined when that has not come yet. */
function endOf(body: WireBody, bytes: Buffer, from: number): number | undefined | 'broken' {
  if (body.isEmpty) return from;
  try {
    const end = body.findEnd(bytes.subarray(from));
    return end === undefined ? undefined : from + end;
  } catch {
    return 'broken';
  }
}

/** Whether what has come tells that the statement is not ours (`forward`), or that it may be. `bytes`: the body's beginning, `isWhole`: all of it. */
function whoseIs(
  dispatcher: ConnectionContext['dispatcher'],
  head: PlainHead,
  bytes: Buffer,
  isWhole: boolean,
): ReturnType<Dispatcher['classify']> {
  const request = readRequest(head.method, head.target, head.headers);
  if (request === undefined) return 'forward';
  const classify: Dispatcher['classify'] = (begin, isComplete) => dispatcher.classify(begin, isComplete);
  const decision = classifyUrl(request, classify);
  if (decision !== 'more') return decision;
  if (request.body.kind !== 'statement') return 'whole';
  const text = head.headers['transfer-encoding'] === undefined ? bytes : withoutChunks(bytes);
  return classifyArrived(request, text, isWhole, classify);
}
