/** Longer than any statement that makes a view takes, and than the catalog takes to see it. */
export const VIEW_CHANGE_MS = 60_000;

/**
 * Whether a table's consumers have company: others than this gateway's in their group, such as another gateway's. A view made through that one may read
 * virtual columns that this one does not know to be read; so in company, and for a while after, rows carry all of them.
 */
export class Company {
  readonly #onAlone: () => void;
  #hasCompany = false;
  #leaving: NodeJS.Timeout | undefined;

  /** `onAlone`: called when there was company, and has been none for `VIEW_CHANGE_MS`. */
  constructor(onAlone: () => void) {
    this.#onAlone = onAlone;
  }

  /** There is company, or was within the last `VIEW_CHANGE_MS`. */
  get isKept(): boolean {
    return this.#hasCompany;
  }

  /** What the last assignment told. True when this begins company that was not there before. */
  note(isAlone: boolean): boolean {
    if (isAlone) {
      if (this.#hasCompany) this.#leaving ??= setTimeout(() => this.#end(), VIEW_CHANGE_MS).unref();
      return false;
    }
    this.close();
    const isNew = !this.#hasCompany;
    this.#hasCompany = true;
    return isNew;
  }

  /** Calls `onAlone` no more. */
  close(): void {
    clearTimeout(this.#leaving);
    this.#leaving = undefined;
  }

  #end(): void {
    this.#leaving = undefined;
    this.#hasCompany = false;
    this.#onAlone();
  }
}
