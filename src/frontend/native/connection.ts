import type { Socket } from 'node:net';
import type { Logger } from '../../logger.ts';
import { EndOfBytes, ProtocolError } from '../../protocol/index.ts';
import type { Dispatcher } from '../../query/index.ts';
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

  /** Whether nothing of worth is lost when it is cut now. */
  isIdle(): boolean {
    return this.#relay?.isAnswered ?? this.#login === undefined;
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
