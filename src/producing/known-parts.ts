import { splitAt, type Part, type Position } from './position.ts';
import { partsToDrop } from './part-choice.ts';

/**
 * What is known of the parts of an outbox and of how far they are sent; of the outbox, not of who sends: it outlives renames and changes of the table. Looks may end in another order than they began, and a position may be older than what this
 * process has sent itself: neither brings back an older state.
 */
export class KnownParts {
  /** The newest reading; empty before the first one. */
  #parts: readonly Part[] = [];
  /** How many looks have begun, and which of those that are over began last. */
  #looks = 0;
  #newestLook = 0;
  #position: Position;
  #isPositionKnown = false;
  #newestBlock: number | undefined;
  /** When this process learned that a part is sent, by its UUID. */
  readonly #sentAtMs = new Map<string, number>();
  /** UUIDs of the parts of the first look. */
  #old: ReadonlySet<string> | undefined;
  /** Called after each change of parts or position. */
  onChange: () => void = () => undefined;

  get all(): readonly Part[] {
    return this.#parts;
  }

  get unsent(): readonly Part[] {
    return splitAt(this.#parts, this.#position).unsent;
  }

  /**
   * Those that wait, unless another gateway sends them. Before the position is known, that can be said only of what was inserted after the first look: the gateway that
   * was here before may have sent the rest.
   */
  get surelyUnsent(): readonly Part[] {
    return this.#isPositionKnown ? this.unsent : this.#parts.filter(({ uuid }) => this.#old?.has(uuid) === false);
  }

  get position(): Position {
    return this.#position;
  }

  /** False: all parts count as unsent, and may be sent all the same. */
  get isPositionKnown(): boolean {
    return this.#isPositionKnown;
  }

  /** Of all that were ever seen, those that are gone as well. */
  get newestBlock(): number | undefined {
    return this.#newestBlock;
  }

  /** Takes what `read` answers. Throws what it throws. */
  async look(read: () => Promise<readonly Part[]>): Promise<void> {
    const number = (this.#looks += 1);
    const parts = await read();
    // Parts that were sent since would seem to wait when the newest of them, the position, is missing.
    if (number <= this.#newestLook) return;
    this.#old ??= new Set(parts.map(({ uuid }) => uuid));
    this.#newestLook = number;
    this.#parts = parts;
    const newest = parts.at(-1);
    if (newest !== undefined) this.#newestBlock = Math.max(newest.block, this.#newestBlock ?? 0);
    this.#changed();
  }

  /**
   * The position that Kafka tells. A transaction log that is lost, with the topic, for example, must not make sent parts come again while this process knows of them.
   */
  takeCommitted(committed: Position): void {
    if (committed !== undefined || !this.#isPositionKnown) this.sentUpTo(committed);
  }

  sentUpTo(position: Position): void {
    this.#position = position;
    this.#isPositionKnown = true;
    this.#changed();
  }

  /** The sent parts that have stayed long enough. */
  toDrop(nowMs: number): readonly Part[] {
    return partsToDrop(splitAt(this.#parts, this.#position).sent, this.#sentAtMs, nowMs);
  }

  /** They are no part of the outbox any more. */
  forget(parts: readonly Part[]): void {
    const gone = new Set(parts.map(({ uuid }) => uuid));
    for (const uuid of gone) this.#sentAtMs.delete(uuid);
    this.#parts = this.#parts.filter(({ uuid }) => !gone.has(uuid));
    this.#changed();
  }

  #changed(): void {
    const nowMs = Date.now();
    for (const { uuid } of splitAt(this.#parts, this.#position).sent) if (!this.#sentAtMs.has(uuid)) this.#sentAtMs.set(uuid, nowMs);
    this.onChange();
  }
}
