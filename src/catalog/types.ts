import type { KafkaTableOptions } from '../engine/index.ts';

/** A column of the landing table that a message's payload can fill (virtual, ALIAS and MATERIALIZED columns are not among them). */
export interface LandingColumn {
  readonly name: string;
  readonly type: string;
}

/** What a direct INSERT into a table with DEFAULT, MATERIALIZED or EPHEMERAL columns needs to know. */
export interface Carriers {
  /** Beginning of the carriers' names (`carrierName`). */
  readonly prefix: string;
  /** All columns of the landing table with their defaults, as a table function takes them. */
  readonly structure: string;
}

/** A table that stands in the way of a promise. */
export interface Hindrance {
  /** `database.name`. */
  readonly table: string;
  readonly reason: string;
  /** SQL that removes it; absent when no setting of the table does. */
  readonly statement?: string;
}

/** For how long a table remembers what was inserted. */
export interface DeliveryTarget {
  /** `database.name`. */
  readonly table: string;
  /** Inserted blocks that it remembers, the newest; 0: none. */
  readonly blocks: number;
  /** How long it remembers them, in seconds; absent: as long as the table lives. */
  readonly seconds?: number;
}

/** A table whose comment is a definition that the gateway must not or cannot run. */
export interface UnreadableTable {
  readonly database: string;
  readonly table: string;
  /** A sentence. */
  readonly reason: string;
}

/** What becomes of an INSERT that is repeated because nobody knows whether it was applied. */
export interface Delivery {
  /** `exactly once`: every table behind the views drops what it has already. */
  readonly guarantee: 'exactly once' | 'at least once';
  /** Tables that would hold rows twice; empty when delivery is exactly once. */
  readonly prevents: readonly Hindrance[];
  /** The MergeTree tables that rows come to. */
  readonly targets: readonly DeliveryTarget[];
}

/** What writing to the table needs to know. */
export interface Written {
  /** The user's own columns with their defaults, each as it stands in a column list. */
  readonly declarations: readonly string[];
  /** Their names, in the same order. */
  readonly names: readonly string[];
  /** Those that an INSERT without column list fills and whose values make a message's body, in order: all but MATERIALIZED, EPHEMERAL and ALIAS ones. */
  readonly columns: readonly LandingColumn[];
}

/** A table in which rows wait until they are sent (`outboxName`). */
export interface Outbox {
  readonly database: string;
  readonly name: string;
  /** Its own, or one that was made for it in a database without UUIDs (`readOutboxComment`). */
  readonly uuid: string;
  /** UUID of its Kafka table, or that one's name in a database without UUIDs. */
  readonly owner: string;
}

/** A table the gateway manages, as read from the server's system tables at one moment. */
export interface ManagedTable {
  readonly database: string;
  readonly table: string;
  readonly uuid: string;
  readonly options: KafkaTableOptions;
  readonly columns: readonly LandingColumn[];
  /** Virtual columns that exist in the landing table (a payload column of the same name hides one). */
  readonly virtualColumns: readonly string[];
  /** Virtual columns that some dependent view reads, a subset of `virtualColumns`. */
  readonly usedVirtualColumns: readonly string[];
  /** Absent: no column has a default that the server computes in direct INSERTs only. */
  readonly carriers?: Carriers;
  readonly written: Written;
  /** Materialized views on it, `database.name`. */
  readonly views: readonly string[];
  /** All that rows come to: views, their targets, the views on these, and so on; each once. */
  readonly dependents: readonly { readonly database: string; readonly name: string }[];
  /** The named collection that it takes settings from. */
  readonly collection?: string;
  /** Why the table's settings are not known (its named collection is gone, or must not be read): `options` are not complete, and nothing is read or sent. */
  readonly sourceProblem?: string;
  /** Why it must not stream although it has views (`sourceProblem`, a target is missing, a view names the table as it was called before), or undefined. */
  readonly notReady?: string;
  /** What the tables behind its views make of an INSERT that is repeated. It may change while the table streams. */
  readonly delivery: Delivery;
  /** Changes whenever anything above changes. */
  readonly fingerprint: string;
}
