/**
 * What the grammar yields for the statements the gateway owns. Trees are plain and read-only; every part carries the
 * positions it came from (`start` inclusive, `end` exclusive, UTF-16 indices of the statement text), because the gateway
 * edits statements by splicing at positions and never reprints what it did not parse.
 */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** `[database.]table`, unquoted and unescaped. `span` covers the whole name as written. */
export interface TableName {
  readonly database?: string;
  readonly table: string;
  /** A part is a query parameter: then that part is `{name:Identifier}`, without the white space and comments that may be written in it. */
  readonly hasParameter?: true;
  readonly span: Span;
}

/** A literal or expression given as an engine argument or a setting's value. `text` is the source as written. */
export type Value =
  | { readonly kind: 'string'; readonly value: string; readonly text: string; readonly span: Span }
  | { readonly kind: 'number'; readonly text: string; readonly span: Span }
  | { readonly kind: 'bool'; readonly value: boolean; readonly text: string; readonly span: Span }
  | { readonly kind: 'identifier'; readonly name: string; readonly text: string; readonly span: Span }
  | { readonly kind: 'expression'; readonly text: string; readonly span: Span };

/** One engine argument; `name` is set for `key = value` (named collections). */
export interface EngineArgument {
  readonly name?: string;
  readonly value: Value;
  readonly span: Span;
}

export interface SettingAssignment {
  readonly name: string;
  readonly value: Value;
  readonly span: Span;
}

export type DefaultKind = 'DEFAULT' | 'MATERIALIZED' | 'EPHEMERAL' | 'ALIAS';

export interface ColumnDeclaration {
  readonly kind: 'column';
  readonly name: string;
  /** The type as written, undefined where only a default is given. */
  readonly type?: string;
  readonly defaultKind?: DefaultKind;
  readonly hasTtl: boolean;
  readonly span: Span;
}

/** INDEX, CONSTRAINT, PROJECTION or PRIMARY KEY inside the column list. */
export interface OtherElement {
  readonly kind: 'index' | 'constraint' | 'projection' | 'primary-key' | 'foreign-key';
  readonly span: Span;
}

export type TableElement = ColumnDeclaration | OtherElement;

export interface SettingsClause {
  /** `engine`: part of the storage definition. `query`: after COMMENT, FORMAT or the engine's own SETTINGS; the server applies it to the query. */
  readonly scope: 'engine' | 'query';
  readonly assignments: readonly SettingAssignment[];
  /** From the word SETTINGS to the end of the last assignment. */
  readonly span: Span;
}

export interface EngineClause {
  /** As written: engine names are case-sensitive. */
  readonly name: string;
  /** undefined: no parentheses; []: `Kafka()`. */
  readonly args?: readonly EngineArgument[];
  /** From the word ENGINE to the end of name or parentheses. */
  readonly span: Span;
}

export interface StorageClause {
  readonly kind: 'order-by' | 'partition-by' | 'primary-key' | 'sample-by' | 'unique-key' | 'ttl';
  readonly span: Span;
}

export interface CreateTable {
  readonly kind: 'create-table';
  readonly verb: 'CREATE' | 'CREATE OR REPLACE' | 'REPLACE' | 'ATTACH';
  readonly temporary: boolean;
  readonly ifNotExists: boolean;
  readonly name: TableName;
  /** `UUID '…'`: its text and the clause's place. */
  readonly uuid?: { readonly value: string; readonly span: Span };
  /** ON CLUSTER: the cluster's name and the clause's place. */
  readonly cluster?: { readonly name: string; readonly span: Span };
  /** `(…)` with its elements; span includes the parentheses. */
  readonly elements?: { readonly items: readonly TableElement[]; readonly span: Span };
  /** `AS other` / `CLONE AS other` (before ENGINE). */
  readonly asTable?: { readonly name: TableName; readonly clone: boolean; readonly span: Span };
  /** `AS table_function(…)` */
  readonly asTableFunction?: Span;
  readonly engine?: EngineClause;
  /** ORDER BY, PARTITION BY, PRIMARY KEY, SAMPLE BY, TTL after the engine. */
  readonly storageClauses: readonly StorageClause[];
  /** In the order written; at most one of scope `engine`, and it comes first. */
  readonly settings: readonly SettingsClause[];
  readonly comment?: { readonly value: string; readonly span: Span };
  /** `[EMPTY] AS SELECT …`: the word EMPTY, the SELECT, and all from AS to the SELECT's end. */
  readonly asSelect?: { readonly empty?: Span; readonly query: Span; readonly span: Span };
  /** `FORMAT name`, of the answer. */
  readonly format?: Span;
  /** End of the last part (before `;` and trailing comments). */
  readonly end: number;
}

export interface CreateView {
  readonly kind: 'create-view';
  readonly materialized: boolean;
  /** `REFRESH …`; `appends`: with APPEND, which leaves the rows of earlier refreshes. */
  readonly refresh?: { readonly appends: boolean; readonly span: Span };
  readonly name: TableName;
  readonly ifNotExists: boolean;
  readonly orReplace: boolean;
  readonly cluster?: { readonly name: string; readonly span: Span };
  readonly target?: TableName;
  readonly populate: boolean;
  /** Engine of the inner table, when the view has one of its own. */
  readonly engine?: EngineClause;
  /** The SELECT behind AS, without SETTINGS, FORMAT or COMMENT of the statement around it. */
  readonly select: Span;
}

export interface DropTables {
  readonly kind: 'drop';
  readonly verb: 'DROP' | 'DETACH' | 'TRUNCATE' | 'UNDROP';
  /** With the word TEMPORARY: no other table is meant. */
  readonly temporary: boolean;
  readonly object: 'TABLE' | 'VIEW' | 'DICTIONARY' | 'DATABASE';
  readonly ifExists: boolean;
  readonly names: readonly TableName[];
  readonly permanently: boolean;
}

/** `TRUNCATE [ALL] TABLES FROM database [[NOT] LIKE|ILIKE 'pattern']`. */
export interface TruncateTables {
  readonly kind: 'truncate-tables';
  /** The name's `table` is the database. */
  readonly database: TableName;
  /** `LIKE 'pattern'` and the like as written; empty when there is none. */
  readonly filter: string;
}

/** `DROP NAMED COLLECTION name`. */
export interface DropCollection {
  readonly kind: 'drop-collection';
  readonly name: string;
}

/** `ATTACH TABLE t` without a definition (the long form is a CreateTable). For DATABASE the name's `table` is the database. */
export interface AttachTable {
  readonly kind: 'attach';
  readonly object: 'TABLE' | 'VIEW' | 'MATERIALIZED VIEW' | 'DICTIONARY' | 'DATABASE';
  readonly name: TableName;
}

export interface RenameTables {
  readonly kind: 'rename';
  readonly verb: 'RENAME' | 'EXCHANGE';
  readonly object: 'TABLE' | 'DICTIONARY' | 'DATABASE';
  readonly pairs: readonly { readonly from: TableName; readonly to: TableName }[];
}

/** SHOW CREATE [TABLE|VIEW|…] t, DESCRIBE [TABLE] t, EXISTS [TABLE|…] t. */
export interface ShowTable {
  readonly kind: 'show-create' | 'describe' | 'exists';
  readonly object: 'TABLE' | 'VIEW' | 'DICTIONARY' | 'DATABASE';
  readonly temporary: boolean;
  readonly name: TableName;
  /** What follows the name, as written: `INTO OUTFILE … FORMAT … SETTINGS …` (may be empty, no `;`). */
  readonly tail: string;
  /** The SETTINGS in it. */
  readonly settings: readonly SettingsClause[];
}

export interface AlterTable {
  readonly kind: 'alter';
  readonly name: TableName;
  readonly cluster?: { readonly name: string; readonly span: Span };
  /**
   * One entry a command. `type` is the server's own name of the command as its errors print it: ADD_COLUMN, DROP_COLUMN, MODIFY_COLUMN,
   * RENAME_COLUMN, COMMENT_COLUMN, CLEAR_COLUMN?, ADD_INDEX, DROP_INDEX, MATERIALIZE_INDEX, ADD_CONSTRAINT, DROP_CONSTRAINT, ADD_PROJECTION, MODIFY_SETTING,
   * RESET_SETTING, MODIFY_COMMENT, MODIFY_TTL, MODIFY_ORDER_BY, MODIFY_QUERY, UPDATE, DELETE, DROP_PARTITION, ATTACH_PARTITION, FREEZE, … ; OTHER when unknown.
   */
  readonly commands: readonly {
    readonly type: string;
    /** How the server handles it, and so which error an engine that cannot do it gives: alter of a type, mutation, partitioning. */
    readonly family: 'metadata' | 'mutation' | 'partition';
    readonly span: Span;
    /** The new text of MODIFY COMMENT. */
    readonly comment?: { readonly value: string; readonly span: Span };
  }[];
}

/** OPTIMIZE TABLE t, CHECK TABLE t, DELETE FROM t, UPDATE t SET …: only the name matters. */
export interface TableCommand {
  readonly kind: 'optimize' | 'check' | 'delete' | 'update';
  readonly name: TableName;
}

/** `SYSTEM REPLAY DEAD LETTERS t [WHERE condition]` or `SELECT * FROM replayDeadLetters(t [, condition])`, a statement of the gateway's own. */
export interface ReplayDeadLetters {
  readonly kind: 'replay-dead-letters';
  readonly name: TableName;
  /** An expression over the columns of the dead-letter table, as written. */
  readonly condition?: string;
  /** As of `ShowTable`. */
  readonly tail: string;
}

/** An element of an INSERT's column list: a column, or a matcher of some. */
export interface InsertColumn {
  /** The names that dots join, unquoted: of a column, perhaps with its table's name in front; of a matcher what stands in front of it. */
  readonly path: readonly { readonly name: string; readonly span: Span }[];
  /** `*` or `COLUMNS(…)`, without EXCEPT and the like behind it. */
  readonly matcher?: Span;
}

/** `INSERT INTO [TABLE] t [(columns)] [SETTINGS …] …`: only the head is read. */
export interface InsertHead {
  readonly kind: 'insert';
  /** undefined for INSERT INTO [TABLE] FUNCTION …, which has no columns either. */
  readonly name?: TableName;
  /** undefined when there is no list, and for brackets around a SELECT or such as are not closed. */
  readonly columns?: { readonly items: readonly InsertColumn[]; readonly span: Span };
  /**
   * Where that begins which follows name and list, or the function: SETTINGS, FORMAT, VALUES, a SELECT; the text's end when nothing does. undefined when the function
   * cannot be read to its end.
   */
  readonly rest?: number;
  /** In front of FORMAT, VALUES or SELECT. */
  readonly settings?: SettingsClause;
  /** `WITH …`, in front of INSERT and up to it: it belongs to the SELECT. */
  readonly withClause?: Span;
}

export type Statement =
  | CreateTable
  | CreateView
  | DropTables
  | TruncateTables
  | DropCollection
  | AttachTable
  | RenameTables
  | ShowTable
  | AlterTable
  | TableCommand
  | ReplayDeadLetters
  | InsertHead;
