/** What a person wants to know about the rows that wait to be sent. Names are those of the JSON; times are ISO 8601, null: never. */
export interface OutboxReport {
  /** `idle`: nothing waits; `retrying`: the last attempt failed, see `exceptions`; `standby`: another gateway sends. */
  readonly state: OutboxState;
  /** Name of the table that holds them, `database.name`. */
  readonly table: string;
  /** What waits: rows, the INSERTs' blocks (parts) they came in, bytes on the server's disk. */
  readonly rows: number;
  readonly parts: number;
  readonly bytes: number;
  /** When the oldest of them was inserted. */
  readonly oldest: string | null;
  /** Why INSERTs are refused now; null: they are not. */
  readonly full: string | null;
  /** By this gateway, since its start. */
  readonly messages_sent: number;
  readonly transactions: number;
  readonly last_sent: string | null;
  /** Blocks put aside because Kafka or the format does not take a message of theirs, and still there; newest last, a hundred at most. */
  readonly parked: readonly ParkedPart[];
  /** Newest last, ten at most. */
  readonly exceptions: readonly { readonly time: string; readonly text: string }[];
}

export type OutboxState = 'idle' | 'sending' | 'retrying' | 'standby';

export interface ParkedPart {
  readonly part: string;
  /** Null when it was put aside before this gateway's start. */
  readonly rows: number | null;
  readonly time: string;
  readonly reason: string;
  /** SQL that sends it after all, and that throws it away. */
  readonly send: string;
  readonly drop: string;
}

const KEPT_EXCEPTIONS = 10;
const KEPT_PARKED = 100;

/** Gathers what `OutboxReport` tells beside the parts. */
export class OutboxRecorder {
  state: OutboxState = 'idle';
  full: string | undefined;
  messagesSent = 0;
  transactions = 0;
  lastSentAtMs: number | undefined;
  #parked: readonly ParkedPart[] = [];
  readonly #exceptions: { readonly time: string; readonly text: string }[] = [];

  get exceptions(): OutboxReport['exceptions'] {
    return this.#exceptions;
  }

  /** What went wrong last, while it does; undefined after a success. */
  get problem(): string | undefined {
    return this.state === 'retrying' ? this.#exceptions.at(-1)?.text : undefined;
  }

  /** False when it is the same as the one before. */
  exception(text: string): boolean {
    const isNew = this.state !== 'retrying' || this.#exceptions.at(-1)?.text !== text;
    this.#exceptions.push({ time: new Date().toISOString(), text });
    if (this.#exceptions.length > KEPT_EXCEPTIONS) this.#exceptions.shift();
    return isNew;
  }

  sent(messages: number): void {
    this.state = 'sending';
    this.messagesSent += messages;
    this.transactions += 1;
    this.lastSentAtMs = Date.now();
  }

  get parked(): readonly ParkedPart[] {
    return this.#parked;
  }

  park(...parked: readonly ParkedPart[]): void {
    this.#parked = [...this.#parked, ...parked].slice(-KEPT_PARKED);
  }

  /** `there`: what was aside at `askedAtMs`. What was put aside since stays, and all else that is gone is told no more. */
  stillAside(there: readonly ParkedPart[], askedAtMs: number): void {
    const names = new Set(there.map(({ part }) => part));
    this.#parked = this.#parked.filter(({ part, time }) => names.has(part) || Date.parse(time) >= askedAtMs);
    const known = new Set(this.#parked.map(({ part }) => part));
    this.park(...there.filter(({ part }) => !known.has(part)));
  }
}
