const BAR_WIDTH = 30;
const TERMINAL_INTERVAL_MS = 100;
const LINE_INTERVAL_MS = 2000;

/**
 * Shows how far something of known length is: a bar that redraws itself on a terminal, else a plain line every two seconds while it
 * moves, and one at the end.
 * `update` may be called as often as one likes.
 */
export class Progress {
  readonly #title: string;
  readonly #total: number;
  readonly #output: NodeJS.WriteStream;
  readonly #startedMs = performance.now();
  #shownMs = 0;
  #shownDone = -1;

  constructor(title: string, total: number, output: NodeJS.WriteStream = process.stdout) {
    this.#title = title;
    this.#total = total;
    this.#output = output;
  }

  update(done: number): void {
    const now = performance.now();
    if (now - this.#shownMs < (this.#output.isTTY ? TERMINAL_INTERVAL_MS : LINE_INTERVAL_MS)) return;
    if (!this.#output.isTTY && done === this.#shownDone) return;
    this.#shownMs = now;
    this.#shownDone = done;
    this.#show(done, this.#output.isTTY ? '' : '\n');
  }

  /** Shows the whole as done; answers the seconds since the start. */
  finish(): number {
    if (this.#output.isTTY || this.#shownDone !== this.#total) this.#show(this.#total, '\n');
    return this.#seconds;
  }

  /** Leaves a bar as it stands, so that an error can be written below it. */
  abandon(): void {
    if (this.#output.isTTY && this.#shownMs > 0) this.#output.write('\n');
  }

  get #seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  #show(done: number, end: string): void {
    const share = this.#total === 0 ? 1 : Math.min(done / this.#total, 1);
    const filled = Math.round(share * BAR_WIDTH);
    const bar = this.#output.isTTY ? `\r  ${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}` : ' ';
    const rate = formatCount(done / Math.max(this.#seconds, 0.001));
    const percent = String(Math.floor(share * 100)).padStart(3);
    this.#output.write(`${bar} ${percent} %  ${this.#title}: ${formatCount(done)} of ${formatCount(this.#total)}, ${rate}/s${end}`);
  }
}

/** A whole number with commas: `200,000`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}
