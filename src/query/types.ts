import type { ClickHouseException } from '../errors.ts';

/**
 * One client's connection or request as the query path sees it: who asks, in which database and session.
 * Both front ends provide it; everything it runs carries the client's own credentials, roles and session.
 */
export interface ClientSession {
  /**
   * Runs a helper query of the gateway's own as the client (same user, roles, session, database, query parameters), without the settings of its request, and
   * returns its rows, every value as text (the front end asks for a text format and unescapes). It changes nothing on the server. Throws the server's answer
   * as `ClickHouseException`.
   */
  query(sql: string): Promise<string[][]>;
  /** The same for a part of what the client's statement does, which may change something or depend on its settings: with the settings of the request, as the statement itself would run. */
  run(sql: string): Promise<string[][]>;
  /**
   * As `run`, for a SELECT of any size that names its FORMAT: the bytes of its answer as they come, with `settings` over those of the request. A piece is overwritten once the
   * next is asked for; aborting ends the query. Absent where there can be no second query beside the client's, or where its statement has data behind it.
   */
  readonly stream?: (sql: string, settings: Readonly<Record<string, string | number>>, signal: AbortSignal) => AsyncIterable<Buffer>;
  /** What the request itself, beside its statement, sets a setting to; undefined when it does not. */
  setting(name: string): string | undefined;
  /** Whether the session outlives the request, so that there may be temporary tables: the server finds them before others of their name. */
  readonly mayHaveTemporaryTables: boolean;
  /** Whether the request brings a table of that name for its own query, as far as is known in front of its data. */
  brings(table: string): boolean;
  /** Does something that takes a while; its signal is aborted when the client is gone. Not while `query` or `run` is under way. */
  whileHere<T>(work: (gone: AbortSignal) => Promise<T>): Promise<T>;
}

/** What the front end has to do with a statement. */
export type Action =
  /** Send the client's own bytes on. */
  | ({ readonly kind: 'forward' } & OnAnswer)
  /** Send `sql` instead of the statement, everything else of the request (parameters, settings, format, credentials) unchanged. */
  | ({ readonly kind: 'run'; readonly sql: string } & OnAnswer)
  /**
   * Send the statement with its first `length` characters replaced by `start`. What follows them may be data of any kind and size: it streams, byte for
   * byte.
   */
  | ({ readonly kind: 'replace'; readonly length: number; readonly start: string } & OnAnswer)
  /** Answer with this exception as the server would (after the client's credentials have proved good). */
  | { readonly kind: 'refuse'; readonly exception: ClickHouseException };

/** What happens when the server has answered. */
export interface OnAnswer {
  readonly after?: AfterSuccess;
  /**
   * Called once when nothing more comes of the action, whatever came of it: behind a success and its `after`, an exception, a refusal by the front end, or when a
   * side is gone. Must not throw.
   */
  readonly ended?: () => void;
  readonly notice?: Notice;
  /** Rows that the statement wrote beside those that the server knows of. */
  readonly rowsBeside?: number;
  /** The text of a server's exception (the words of the sentence alone, or with code, name and version around it) as the client is to read it. */
  readonly shownException?: (text: string) => string;
  /** The server's text about the columns of an INSERT's table (`TableColumns` of the native protocol) as the client is to read it. */
  readonly shownColumns?: (description: string) => string;
}

/**
 * Called once the server answered success and before the client sees the end of the answer, which waits for it. A ClickHouseException that it throws is the
 * client's answer instead of the success; it must not throw anything else. `signal`: nobody waits for the answer any more, or (native protocol) its client would
 * rather not: what is no use without somebody who waits ends soon, anything else goes on, and its success is told. `queryId`: the server's, or the client's, of the
 * statement; undefined when it is not known.
 */
export type AfterSuccess = (signal: AbortSignal, queryId?: string) => Promise<void>;

/** What the client should be told beside the answer, in one sentence or some; undefined: nothing. Asked after a success, when `after` is over. Must not throw. */
export type Notice = () => string | undefined;

export interface Dispatcher {
  /**
   * Decides from the beginning of a statement, in microseconds and without parsing it, what the front end must read:
   * `forward` = not ours whatever follows; `more` = give me a longer head (only when `complete` is false); `whole` = read the
   * statement to its end and call `dispatch`. `head` is the statement's bytes as latin1 text; `complete` says that nothing follows.
   */
  classify(head: string, complete: boolean): 'forward' | 'more' | 'whole';
  /** Decides about a whole statement (for INSERT: at least its head). Never throws: what fails becomes `refuse`. */
  dispatch(statement: string, session: ClientSession): Promise<Action>;
}
