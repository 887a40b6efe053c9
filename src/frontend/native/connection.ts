import type { Socket } from 'node:net';
import type { Logger } from '../../logger.ts';
import { EndOfBytes, ProtocolError, SERVER_PACKETS } from '../../protocol/index.ts';
import type { Dispatcher } from '../../query/types.ts';
import { Flow } from './flow.ts';
import { logIn, type Login, type LoginOptions } from './handshake.ts';
import { Relay, UnreadableQuery } from './relay.ts';
import { sendException } from './respond.ts';

export interface ConnectionContext extends LoginOptions {
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
}

/** A client must have logged in by then: nothing is reserved for those who only knock. */
const LOGIN_TIMEOUT_MS = 30_000;
const EXCEPTION_START = Buffer.from([SERVER_PACKETS.Exception]);

/** One client from its first byte to its last, with a connection to the server of its own. Ends when either side is gone. */
export class NativeConnection {
  readonly #context: ConnectionContext;
  readonly #socket: Socket;
  readonly #client: Flow;
  #login: Login | undefined;
  #relay: Relay | undefined;

  constructor(context: ConnectionContext, socket: Socket) {
    this.#context = context;
    this.#socket = socket;
    this.#client = new Flow(socket);
    // A client that ends its side wants no more answers: the server cancels what runs for it.
    socket.on('end', () => socket.destroy());
  }

  /** Never rejects. */
  async run(): Promise<void> {
    try {
      const login = await this.#logIn();
      if (login === undefined) return;
      this.#login = login;
      if (login.isInterserver) await this.#passUnread(login);
      else await this.#relayPackets(login);
    } catch (error) {
      this.#end(error);
    }
  }

  /**
   * Whether the server has nothing left to answer, as far as can be told without reading along: the last it sent ends like the end of an answer.
   * A false "busy" costs the grace period, a false "idle" a result that pauses right after a byte that looks like an end.
   */
  isIdle(): boolean {
    if (this.#login === undefined) return true;
    if (this.#relay === undefined) return false;
    const { lastPassed } = this.#login.server;
    if (!this.#relay.hasAsked) return true;
    return lastPassed.at(-1) === SERVER_PACKETS.EndOfStream || lastPassed.at(-1) === SERVER_PACKETS.Pong || isException(lastPassed);
  }

  destroy(): void {
    this.#socket.destroy();
    this.#login?.upstream.destroy();
  }

  async #logIn(): Promise<Login | undefined> {
    const timer = setTimeout(() => this.#socket.destroy(), LOGIN_TIMEOUT_MS);
    try {
      return await logIn(this.#client, this.#socket, this.#context);
    } finally {
      clearTimeout(timer);
    }
  }

  async #relayPackets(login: Login): Promise<void> {
    const { dispatcher, logger } = this.#context;
    this.#relay = new Relay({ client: this.#client, login, dispatcher, logger });
    await this.#relay.run();
  }

  async #passUnread(login: Login): Promise<void> {
    this.#client.relay();
    login.server.relay();
    await new Promise((resolve) => this.#socket.once('close', resolve));
  }

  #end(error: unknown): void {
    if (error instanceof UnreadableQuery) {
      sendException(this.#socket, error.exception);
      return;
    }
    if (error instanceof ProtocolError) this.#context.logger.debug({ err: error }, 'native connection closed');
    else if (!(error instanceof EndOfBytes)) this.#context.logger.error({ err: error }, 'native connection failed');
    // What the server said last still goes out.
    this.#login?.upstream.destroy();
    this.#socket.destroySoon();
  }
}

/** A piece that is an Exception packet from its first byte to its last, the flag for nested ones. */
function isException(piece: Buffer): boolean {
  return piece.subarray(0, 1).equals(EXCEPTION_START) && piece.subarray(5, 20).includes('DB::') && piece.at(-1) === 0;
}
