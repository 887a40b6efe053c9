/** Finds rows in the server's answer. The fields tell of the row found last, by positions in the window. */
export abstract class RowCutter {
  part = 0;
  offset = 0;
  /** Equal ends: the row says nothing of its message but its key. */
  traitsStart = 0;
  traitsEnd = 0;
  /** -1: no key. */
  keyStart = -1;
  keyEnd = -1;
  valueStart = 0;
  valueEnd = 0;

  /** Where the next row begins. */
  get end(): number {
    return this.valueEnd;
  }

  /** Looks at the row that begins at `begin`; false: it is not whole yet. Throws when no row begins there. May write over the row's own bytes. */
  abstract find(window: Buffer, begin: number, filled: number): boolean;
}
