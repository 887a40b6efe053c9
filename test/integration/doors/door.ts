export type Rows = readonly (readonly string[])[];

/** Texts of one String column: rows for an INSERT, or an external table. */
export interface Column {
  readonly name: string;
  readonly values: readonly string[];
}

/** One statement with what goes beside it, in the words of no protocol. */
export interface Question {
  readonly sql: string | Buffer;
  readonly settings?: Readonly<Record<string, string>>;
  /** Values of query parameters as they are, without quotes. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly queryId?: string;
  /** The rows of an INSERT, whose text ends before `FORMAT` or `VALUES`. */
  readonly rows?: Column;
  /** An external table. */
  readonly table?: Column & { readonly table: string };
}

export interface Refusal {
  readonly code: number;
  /** Without code, name, version and full stop, which only one of the protocols writes. */
  readonly text: string;
}

/** Values are text, NULL is `\N`. */
export interface Answer {
  readonly rows: Rows;
  readonly totals: Rows;
  /** Minima, then maxima. */
  readonly extremes: Rows;
  readonly refusal?: Refusal;
}

/** A query whose answer is not read. */
export interface Running {
  /** Tells the server that nobody wants the rest: a Cancel packet where the protocol has one, or else by going away. */
  readonly cancel: () => Promise<void>;
  /** Closes the connection. */
  readonly leave: () => void;
}

/** A way to talk to a server: one client on one connection, with a current database. */
export interface Door {
  readonly name: string;
  readonly ask: (question: Question) => Promise<Answer>;
  readonly start: (question: Question) => Promise<Running>;
}

export interface DoorOptions {
  readonly database: string;
  readonly user?: string;
  readonly password?: string;
  /** Whether temporary tables and USE must last from one statement to the next; a native connection always is a session. */
  readonly hasSession?: boolean;
}
