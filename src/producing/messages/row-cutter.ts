/** Finds rows in the server's answer. The fields tell of the row found last, by positions in the window. */
export interface RowCutter {
  /** Looks at the row that begins at `begin`; false: it is not whole yet. Throws when no row begins there. May write over the row's own bytes. */
  find(window: Buffer, begin: number, filled: number): boolean;
  readonly part: number;
  readonly offset: number;
  /** Equal ends: the row says nothing of its message but its key. */
  readonly traitsStart: number;
  readonly traitsEnd: number;
  /** -1: no key. */
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** Where the next row begins. */
  readonly end: number;
}
