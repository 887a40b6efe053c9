import { randomBytes } from 'node:crypto';
import { deadline } from '../pauses.ts';
import { clickhouseError, type ClickHouseException } from '../errors.ts';
import type { RowsSelect } from './messages/index.ts';
import type { Part } from './position.ts';

/** So long its rows may take: they are one transaction, and whoever reads the topic or writes to it waits for its end. What takes longer goes by the outbox, in blocks. */
const SELECT_WITHIN_MS = 5_000;

/**
 * An INSERT … SELECT whose rows go to Kafka in one transaction, without the detour by the outbox.
 *
 *     waits (until what was inserted before it is sent) → is sent → sent
 *                                                     ↘ not sent: nothing of it is in Kafka, and the INSERT takes its usual way
 *                                                     ↘ uncertain (the commit was not answered) → sent or not sent, as the next producer finds
 */
export class SelectedInsert {
  /** Committed with its rows: whether it is there decides when the commit was not answered. */
  readonly id = randomBytes(8).toString('hex');
  readonly select: RowsSelect;
  /** Aborted when the rows are not to be sent any more. */
  readonly signal: AbortSignal;
  readonly outcome: Promise<number | undefined>;
  rows = 0;
  isBeingSent = false;
  isUncertain = false;
  /** UUIDs of the parts that were inserted before it. */
  readonly #before: ReadonlySet<string>;
  #resolve: (rows: number | undefined) => void = () => undefined;
  #reject: (error: ClickHouseException) => void = () => undefined;

  constructor(select: RowsSelect, unsent: readonly Part[], gone: AbortSignal) {
    this.select = select;
    this.#before = new Set(unsent.map(({ uuid }) => uuid));
    this.signal = deadline(SELECT_WITHIN_MS, gone);
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  isBehind(unsent: readonly Part[]): boolean {
    return unsent.some(({ uuid }) => this.#before.has(uuid));
  }

  sent(): void {
    this.#resolve(this.rows);
  }

  notSent(): void {
    this.#resolve(undefined);
  }

  fail(error: ClickHouseException): void {
    this.#reject(error);
  }
}

/** Those of one table, in their order. */
export class SelectedInserts {
  #inserts: readonly SelectedInsert[] = [];

  get isEmpty(): boolean {
    return this.#inserts.length === 0;
  }

  add(insert: SelectedInsert): void {
    this.#inserts = [...this.#inserts, insert];
    const leave = (): void => {
      if (!insert.isBeingSent) this.#end(insert, () => insert.notSent());
    };
    if (insert.signal.aborted) leave();
    else insert.signal.addEventListener('abort', leave, { once: true });
  }

  /** The one whose turn it is, to be sent now: what was inserted before it is not among `unsent` any more. */
  next(unsent: readonly Part[]): SelectedInsert | undefined {
    const [first] = this.#inserts;
    if (first === undefined || first.isBehind(unsent)) return undefined;
    first.isBeingSent = true;
    return first;
  }

  sent(insert: SelectedInsert): void {
    this.#end(insert, () => insert.sent());
  }

  notSent(insert: SelectedInsert): void {
    this.#end(insert, () => insert.notSent());
  }

  /** It fails when nobody has found out within `patienceMs`. */
  uncertain(insert: SelectedInsert, patienceMs: number): void {
    insert.isUncertain = true;
    const timer = setTimeout(() => {
      this.#end(insert, () => insert.fail(notKnown(`no broker has told within ${patienceMs} ms`)));
    }, patienceMs);
    void insert.outcome.catch(() => undefined).finally(() => clearTimeout(timer));
  }

  /** `ids`: of the newest whose rows are in Kafka, for certain. */
  decide(ids: readonly string[]): void {
    for (const insert of this.#inserts)
      if (insert.isUncertain) this.#end(insert, () => (ids.includes(insert.id) ? insert.sent() : insert.notSent()));
  }

  /** Nobody sends them now: they go by the outbox. Those that nobody knows of are kept. */
  giveUp(): void {
    for (const insert of this.#inserts) if (!insert.isUncertain) this.#end(insert, () => insert.notSent());
  }

  /** Nobody will find out any more. */
  stop(): void {
    this.giveUp();
    for (const insert of this.#inserts) this.#end(insert, () => insert.fail(notKnown('the gateway is stopping')));
  }

  #end(insert: SelectedInsert, settle: () => void): void {
    this.#inserts = this.#inserts.filter((one) => one !== insert);
    settle();
  }
}

function notKnown(why: string): ClickHouseException {
  return clickhouseError(
    'UNKNOWN_STATUS_OF_INSERT',
    `It is not known whether Kafka has the rows of this INSERT, all of them or none: their commit was not answered, and ${why}. Look into the topic before you repeat it`,
  );
}
