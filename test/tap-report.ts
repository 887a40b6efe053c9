// The frame of TAP, its own counts, and the titles of hooks (`# title`; what a test or hook logs has three spaces).
const NOISE = /^TAP version|^\d+\.\.\d+|^# (?!.* remaining in )\S|^\s*(---|\.\.\.)\s*$|^\s*$/;

const LINES_OF_A_FAILURE = 30;

/**
 * Turns ava's TAP output into lines for people and counts results. Fed one line at a time, in order.
 * Prints each test, what a failed one says about itself, and whatever else the tests print.
 */
export class TapReport {
  passed = 0;
  failed = 0;
  readonly #print: (line: string) => void;
  /** Failed tests, each with the first lines it said about itself. */
  readonly #failures: string[][] = [];
  #isTellingOfFailure = false;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  add(line: string): void {
    const result = /^(not )?ok \d+ - (.*)$/.exec(line);
    if (result !== null) this.#addResult(result[1] === undefined, result[2] ?? '');
    else if (!NOISE.test(line)) this.#addDetail(line);
  }

  /** What failed, once more and briefly, for the reader who sees only the end of a long log. */
  failures(): string[] {
    return this.#failures.flat();
  }

  #addDetail(line: string): void {
    this.#print(line);
    const failure = this.#isTellingOfFailure ? this.#failures.at(-1) : undefined;
    if (failure !== undefined && /^(?:#  )? /.test(line) && failure.length < LINES_OF_A_FAILURE) failure.push(line);
  }

  #addResult(isPassed: boolean, title: string): void {
    // A test that is skipped or still to be written has neither passed nor failed.
    if (/ # (SKIP|TODO)\b/i.test(title)) {
      this.#isTellingOfFailure = false;
      this.#print(`- ${title}`);
      return;
    }
    if (isPassed) this.passed += 1;
    else this.failed += 1;
    this.#isTellingOfFailure = !isPassed;
    if (!isPassed) this.#failures.push([`✘ ${title}`]);
    this.#print(`${isPassed ? '✔' : '✘'} ${title}`);
  }
}
