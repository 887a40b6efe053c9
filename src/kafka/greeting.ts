import net from 'node:net';
import { addressText, type Address } from './address.ts';
import { openSocket } from './client.ts';
import { CLOSED, failureAt, garbled, settingsFailure, silence, unknownMechanism, type KafkaStep, type Moment } from './failures.ts';
import { brokerError, UNSUPPORTED_SASL_MECHANISM } from './protocol-errors.ts';
import { ResponseReader } from './response-reader.ts';
import type { Security } from './security.ts';

/** Until when is waited. */
export interface Patience {
  readonly signal: AbortSignal;
  /** What is told when the time is over. */
  readonly timeoutMs: number;
}

const API_VERSIONS = 18;
const SASL_HANDSHAKE = 17;
/** What a broker answers to these requests is some hundred bytes. */
const LARGEST_ANSWER_BYTES = 1024 * 1024;

/**
 * Opens a connection to one address and asks what every broker answers before it knows who asks: whether Kafka is there, over TLS or not, and whether
 * the SASL mechanism is enabled. Throws `KafkaFailure` with the first step that fails. Nothing stays open.
 */
export async function greet(address: Address, security: Security, patience: Patience): Promise<void> {
  const greeting = openGreeting(address, security);
  const { signal, timeoutMs } = patience;
  const giveUp = (): void => greeting.end(silence(greeting.moment, timeoutMs));
  try {
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    await greeting.run();
  } catch (error) {
    throw failureAt(error, greeting.moment);
  } finally {
    signal.removeEventListener('abort', giveUp);
    greeting.end(new Error(CLOSED));
  }
}

/** What an operator does not allow is not connected to. */
function openGreeting(address: Address, security: Security): Greeting {
  try {
    return new Greeting(address, security);
  } catch (error) {
    throw settingsFailure(error);
  }
}

class Greeting {
  readonly #security: Security;
  readonly #socket: net.Socket;
  readonly #opened: Promise<void>;
  readonly #broker: string;
  #step: KafkaStep;
  #received = Buffer.alloc(0);
  #ended: Error | undefined;
  /** Called when something has come, or nothing more will. */
  #wake: () => void = () => undefined;

  constructor(address: Address, security: Security) {
    this.#security = security;
    this.#broker = addressText(address);
    this.#step = net.isIP(address.host) === 0 ? 'resolve' : 'connect';
    const hasTls = security.tls !== undefined;
    let open: () => void = () => undefined;
    this.#opened = new Promise((resolve) => {
      open = resolve;
    });
    this.#socket = openSocket(address, security.tls?.(), () => open());
    this.#socket
      .on('lookup', (error: Error | null) => {
        if (error === null) this.#enter('connect');
      })
      .on('connect', () => this.#enter(hasTls ? 'tls' : 'protocol'))
      .on('secureConnect', () => this.#enter('protocol'))
      .on('data', (bytes: Buffer) => {
        this.#received = Buffer.concat([this.#received, bytes]);
        this.#wake();
      })
      .on('error', (error) => this.end(error))
      .on('close', () => this.end(new Error(CLOSED)));
  }

  get moment(): Moment {
    const { tls, sasl } = this.#security;
    return { step: this.#step, broker: this.#broker, hasTls: tls !== undefined, hasSasl: sasl !== undefined };
  }

  async run(): Promise<void> {
    await Promise.race([this.#opened, this.#over()]);
    if (this.#ended !== undefined) throw this.#ended;
    await this.#ask(API_VERSIONS, 0, Buffer.alloc(0));
    const { sasl } = this.#security;
    if (sasl === undefined) return;
    this.#enter('sasl');
    await this.#shakeHands(sasl.mechanism.toUpperCase());
  }

  /** Whatever waits fails with this error, unless it has ended before. */
  end(error: Error): void {
    this.#ended ??= error;
    this.#socket.destroy();
    this.#wake();
  }

  #enter(step: KafkaStep): void {
    this.#step = step;
  }

  async #shakeHands(mechanism: string): Promise<void> {
    const name = Buffer.from(mechanism);
    const length = Buffer.alloc(2);
    length.writeInt16BE(name.length);
    const answer = new ResponseReader(await this.#ask(SASL_HANDSHAKE, 1, Buffer.concat([length, name])));
    const errorCode = answer.int16();
    if (errorCode === UNSUPPORTED_SASL_MECHANISM) {
      throw unknownMechanism(
        mechanism,
        answer.array(() => answer.string()),
        this.moment,
      );
    }
    if (errorCode !== 0) throw brokerError(errorCode);
  }

  /** The answer behind its header. */
  async #ask(apiKey: number, apiVersion: number, body: Buffer): Promise<Buffer> {
    const header = Buffer.alloc(14);
    header.writeInt32BE(10 + body.length, 0);
    header.writeInt16BE(apiKey, 4);
    header.writeInt16BE(apiVersion, 6);
    header.writeInt32BE(apiKey, 8); // correlation id
    header.writeInt16BE(-1, 12); // no client id
    this.#socket.write(Buffer.concat([header, body]));
    await this.#receive(8);
    const size = this.#received.readInt32BE(0);
    if (size < 6 || size > LARGEST_ANSWER_BYTES || this.#received.readInt32BE(4) !== apiKey) throw garbled(this.#received, this.moment);
    await this.#receive(4 + size);
    const answer = this.#received.subarray(8, 4 + size);
    this.#received = this.#received.subarray(4 + size);
    return answer;
  }

  async #receive(bytes: number): Promise<void> {
    while (this.#received.length < bytes) {
      if (this.#ended !== undefined) throw this.#received.length > 0 ? garbled(this.#received, this.moment) : this.#ended;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #over(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#ended !== undefined) resolve();
    });
  }
}
