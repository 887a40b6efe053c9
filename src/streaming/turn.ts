import { pause } from '../pauses.ts';

/** Half of the server's `http_receive_timeout`. */
const MOST_HELD_MS = 15_000;

/** A delivery's turn to be applied: after the one before it, and when Kafka knows of it. */
export class Turn {
  /**
   * Resolves when the delivery before is in and this one is recorded. Rejects when it is not, with what `record` throws, and when the server would lose its
   * patience with a body that does not end.
   */
  readonly came: Promise<void>;
  isHeldTooLong = false;
  isRefused = false;

  constructor(before: Promise<boolean>, record: (signal: AbortSignal) => Promise<void>) {
    this.came = this.#wait(before, record);
    this.came.catch(() => undefined);
  }

  async #wait(before: Promise<boolean>, record: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const cut = new AbortController();
    const recorded = record(cut.signal).catch((error: unknown) => {
      this.isRefused = !cut.signal.aborted;
      throw error;
    });
    const isIn = await Promise.race([Promise.all([before, recorded]), pause(MOST_HELD_MS, cut.signal).then(() => undefined)]).finally(
      () => {
        cut.abort();
      },
    );
    this.isHeldTooLong = isIn === undefined;
    if (isIn?.[0] !== true) throw new Error('the batch before it is not in');
  }
}
