import type { ClientRequest, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const CRLF = '\r\n';
/** A client that does not read gets the rest of the head in one piece. */
const MAX_WAITING_BYTES = 64 * 1024;

/** Whether the server will write its answer's head piece by piece. (Where a user's profile says so and the URL does not, the head comes in one piece.) */
export function asksForProgressHeaders(target: string): boolean {
  return /[?&]send_progress_in_http_headers=(?!0|false)/.test(target);
}

/**
 * Passes the lines of an answer's head on as they come: with `send_progress_in_http_headers` the server writes one now and then for as long as a
 * query runs, to keep everybody on the way from giving up, while Node hands out whole heads only. So the bytes are heard before Node parses them.
 */
export class EarlyHead {
  readonly #answer: ServerResponse;
  #unread = '';
  #passed = '';
  #isOver = false;

  constructor(answer: ServerResponse) {
    this.#answer = answer;
  }

  /** Whether the client has something of the head already. */
  get hasBegun(): boolean {
    return this.#passed !== '';
  }

  listenTo(request: ClientRequest): void {
    request.once('socket', (socket: Socket) => {
      const listen = (chunk: Buffer): void => {
        if (!this.#isOver) this.#hear(chunk.toString('latin1'));
      };
      socket.prependListener('data', listen);
      request.once('close', () => socket.off('data', listen));
    });
  }

  /**
   * To be called when the whole head was given to `writeHead`, before its first byte goes out: takes away what the client has.
   * False when that is another head than was begun.
   */
  finish(): boolean {
    this.#isOver = true;
    // Node keeps the head there until the first write; there is no public way to send a part of it.
    const outgoing = this.#answer as unknown as { _header: string };
    if (!outgoing._header.startsWith(this.#passed)) return false;
    outgoing._header = outgoing._header.slice(this.#passed.length);
    return true;
  }

  #hear(text: string): void {
    this.#unread += text;
    if (!this.hasBegun) this.#skipInformation();
    const isWhole = this.#unread.includes(CRLF + CRLF) || (this.hasBegun && this.#unread.startsWith(CRLF));
    const { socket } = this.#answer;
    // Node has the rest of it in a moment.
    if (isWhole || socket === null || socket.writableLength > MAX_WAITING_BYTES) this.#isOver = true;
    else this.#pass(this.#unread.slice(0, this.#unread.lastIndexOf('\n') + 1), socket);
  }

  /** `100 Continue` has a head of its own. */
  #skipInformation(): void {
    const end = this.#unread.startsWith('HTTP/1.1 1') ? this.#unread.indexOf(CRLF + CRLF) : -1;
    if (end !== -1) this.#unread = this.#unread.slice(end + 2 * CRLF.length);
  }

  #pass(lines: string, socket: Socket): void {
    if (lines === '' || (!this.hasBegun && !lines.startsWith('HTTP/1.1 200 '))) return;
    this.#unread = this.#unread.slice(lines.length);
    this.#passed += lines;
    socket.write(lines, 'latin1');
  }
}
