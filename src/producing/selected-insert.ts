import { randomBytes } from 'node:crypto';
import { clickhouseError, type ClickHouseException } from '../errors.ts';
import type { RowsSelect } from './messages/index.ts';

/** So long its rows may take: they are one transaction, and whoever reads the topic or writes to it waits for its end. What takes longer goes by the outbox, in blocks. */
const SELECT_WITHIN_MS = 5_000;

/** So many ids are committed, of the newest: a broker's limit for the text is 4,096 bytes, and may be set lower. */
const KEPT_IDS = 16;

type State = 'waiting' | 'sending' | 'uncertain' | 'over';

/**
 * An INSERT … SELECT whose rows go to Kafka in one transaction, without the detour by the outbox.
 *
 *     waiting → sending → sent
 *             ↘         ↘ not sent: nothing of it is in Kafka, and the INSERT takes its usual way
 *                       ↘ uncertain (the commit was not answered) → sent or not sent, as the next producer finds
 */
export class SelectedInsert {
  /** Committed with its rows: whether it is there decides when the commit was not answered. */
  readonly id = randomBytes(8).toString('hex');
  readonly select: RowsSelect;
  /** Aborted when its rows are not to be read any more. */
  get signal(): AbortSignal {
    return this.#cut.signal;
  }

  /** How many rows are in Kafka; undefined: none. Rejects with UNKNOWN_STATUS_OF_INSERT. */
  readonly outcome: Promise<number | undefined>;
  rows = 0;
  #state: State = 'waiting';
  #ids: readonly string[] = [];
  readonly #cut = new AbortController();
  readonly #gone: AbortSignal;
  readonly #deadline: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  #resolve: (rows: number | undefined) => void = () => undefined;
  #reject: (error: ClickHouseException) => void = () => undefined;

  constructor(select: RowsSelect, gone: AbortSignal) {
    this.select = select;
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#deadline = setTimeout(() => this.cut(new Error(`its rows took longer than ${SELECT_WITHIN_MS} ms`)), SELECT_WITHIN_MS);
    this.#gone = gone;
    if (gone.aborted) this.#onGone();
    else gone.addEventListener('abort', this.#onGone, { once: true });
  }

  readonly #onGone = (): void => {
    this.cut(new Error('its client is gone'));
  };

  /** Its rows are not read any more. */
  cut(reason: Error): void {
    this.#cut.abort(reason);
    if (this.#state === 'waiting') this.notSent();
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  /** From now on only who sends it knows what becomes of it. `ids`: of those before it; answers what is to be committed with its rows. */
  begin(ids: readonly string[]): readonly string[] {
    this.#state = 'sending';
    this.#ids = [...ids.slice(1 - KEPT_IDS), this.id];
    return this.#ids;
  }

  sent(): void {
    this.#end();
    this.#resolve(this.rows);
  }

  notSent(): void {
    this.#end();
    this.#resolve(undefined);
  }

  /** It fails when nobody has found out within `patienceMs`. */
  uncertain(patienceMs: number): void {
    this.#state = 'uncertain';
    this.#timer = setTimeout(() => this.#fail(`no broker has told within ${patienceMs} ms`), patienceMs);
  }

  /** `ids`: of the newest whose rows are in Kafka, for certain. */
  decide(ids: readonly string[]): void {
    if (this.#state !== 'uncertain') return;
    const before = this.#ids.at(-2);
    if (ids.includes(this.id)) this.sent();
    else if (ids.length < KEPT_IDS || (before !== undefined && ids.includes(before))) this.notSent();
    else this.#fail('other gateways have written much meanwhile');
  }

  /** Nobody sends it now; what is uncertain stays so. */
  giveUp(): void {
    if (this.#state === 'waiting' || this.#state === 'sending') this.notSent();
  }

  /** Nobody will find anything out any more. */
  stop(): void {
    this.giveUp();
    if (this.#state === 'uncertain') this.#fail('the gateway is stopping');
  }

  #fail(why: string): void {
    this.#end();
    this.#reject(
      clickhouseError(
        'UNKNOWN_STATUS_OF_INSERT',
        `It is not known whether Kafka has the rows of this INSERT, all of them or none: their commit was not answered, and ${why}. Look into the topic before you repeat it`,
      ),
    );
  }

  #end(): void {
    this.#state = 'over';
    clearTimeout(this.#timer);
    clearTimeout(this.#deadline);
    this.#gone.removeEventListener('abort', this.#onGone);
  }
}
