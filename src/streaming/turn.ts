import { pause } from './backoff.ts';

/** Half of the server's `http_receive_timeout`. */
const MOST_HELD_MS = 15_000;

/** A delivery's turn to be applied: after the one before it. */
export class Turn {
  /** Resolves when the delivery before is in. Rejects when it is not, and when the server would lose its patience with a body that does not end. */
  readonly came: Promise<void>;
  isHeldTooLong = false;

  constructor(before: Promise<boolean>) {
    this.came = this.#wait(before);
    this.came.catch(() => undefined);
  }

  async #wait(before: Promise<boolean>): Promise<void> {
    const cut = new AbortController();
    const isIn = await Promise.race([before, pause(MOST_HELD_MS, cut.signal).then(() => undefined)]);
    cut.abort();
    this.isHeldTooLong = isIn === undefined;
    if (isIn !== true) throw new Error('the batch before it is not in');
  }
}
