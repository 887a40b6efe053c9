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
  /** Materialized views on it, `database.name`. */
  readonly views: readonly string[];
  /** Why it must not stream although it has views (a target is missing, a view names the table as it was called before), or undefined. */
  readonly notReady?: string;
  /** Changes whenever anything above changes: a running stream with another fingerprint is restarted. */
  readonly fingerprint: string;
}
