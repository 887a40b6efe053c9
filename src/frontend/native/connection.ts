import type { Socket } from 'node:net';
import type { Logger } from '../../logger.ts';
import { EndOfBytes, ProtocolError } from '../../protocol/index.ts';
import type { Dispatcher } from '../../query/index.ts';
import { Flow } from './flow.ts';
import { logIn, type Login, type LoginOptions } from './handshake.ts';
import { Relay, UnreadableQuery, type StatementLimits } from './relay.ts';
import { sendException } from './respond.ts';

export interface ConnectionContext extends LoginOptions {
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
  /** A client must have logged in by then: nothing is reserved for those who only knock. */
  readonly loginTimeoutMs: number;
  /** How long a client may take nothing of what waits for it. */
  readonly sendTimeoutMs: number;
  /** As of `RelayOptions`. */
  readonly signOfLifeMs: number;
  readonly limits: StatementLimits;
}

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
    // While the client takes nothing, nothing is read from the server: its going away would not be noticed.
    socket.setTimeout(context.sendTimeoutMs);
    socket.on('timeout', () => {
      if (socket.writableLength > 0) this.destroy();
    });
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
    const timer = setTimeout(() => this.destroy(), this.#context.loginTimeoutMs);
    try {
      return await logIn(this.#client, this.#socket, this.#context);
    } finally {
      clearTimeout(timer);
    }
  }

  async #relayPackets(login: Login): Promise<void> {
    const { dispatcher, logger, signOfLifeMs, limits } = this.#context;
    this.#relay = new Relay({ client: this.#client, login, dispatcher, logger, signOfLifeMs, limits });
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
      this.#login?.upstream.destroy();
      return;
    }
    if (error instanceof EndOfBytes && this.#login !== undefined && this.#socket.readableEnded) {
      // Whether its client's end cancels what runs is the server's to say: it answers or not, and closes the connection.
      this.#login.upstream.end();
      return;
    }
    if (error instanceof ProtocolError) this.#context.logger.debug({ err: error }, 'native connection closed');
    else if (!(error instanceof EndOfBytes)) this.#context.logger.error({ err: error }, 'native connection failed');
    // What the server said last still goes out.
    this.#login?.upstream.destroy();
    this.#socket.destroySoon();
  }
}
