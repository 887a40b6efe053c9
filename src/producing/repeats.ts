import { tableNameText, type Outbox } from '../catalog/index.ts';
import type { ServiceClient } from '../clickhouse/index.ts';
import { QUERY_COLUMN, TOKEN_COLUMN } from '../engine/index.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import type { Part } from './position.ts';

type Client = Pick<ServiceClient, 'rows'>;
type Id = Pick<Outbox, 'database' | 'name'>;

/** Of the INSERT that brought a part. `token` is '' for none. */
interface Origin {
  readonly token: string;
  readonly query: string;
}

/**
 * Finds parts that repeat an earlier one: inserted by another query with the same `insert_deduplication_token`, and holding the same rows, in whatever order: a gateway
 * that delivers a dead one's batch again reads its partitions one after the other. One INSERT may make several parts, of several views for example, and they may be
 * equal, so that the token alone says nothing: each part is repeated once at most by a query. Columns that the table fills by a DEFAULT say nothing either, it may be `now()`.
 */
export class Repeats {
  readonly #client: Client;
  readonly #outbox: Id;
  /** By part UUID. Parts are immutable. */
  readonly #origins = new Map<string, Origin>();
  readonly #contents = new Map<string, string>();
  /** What each query was found to repeat, by its id: the UUID of the original, and that of the part which repeats it. */
  readonly #repeated = new Map<string, Map<string, string>>();
  #compared: string | undefined;

  constructor(client: Client, outbox: Id) {
    this.#client = client;
    this.#outbox = outbox;
  }

  /** Those of `candidates` that repeat one of `parts` before them. `parts`: all of the outbox, in order, `candidates` among them. Throws what the client throws. */
  async among(parts: readonly Part[], candidates: readonly Part[]): Promise<Part[]> {
    this.#forget(parts);
    const newest = Math.max(...candidates.map(({ block }) => block));
    await this.#readOrigins(parts.filter(({ block }) => block <= newest));
    const repeats: Part[] = [];
    for (const part of candidates) {
      const origin = this.#origins.get(part.uuid);
      if (origin === undefined || origin.token === '') continue;
      const repeated = this.#repeated.get(origin.query) ?? new Map<string, string>();
      const isFree = ({ uuid }: Part): boolean => (repeated.get(uuid) ?? part.uuid) === part.uuid;
      const earlier = parts.filter((one) => this.#mayRepeat(part, origin, one) && !repeats.includes(one) && isFree(one));
      const original = earlier.length === 0 ? undefined : await this.#equalOf(part, earlier);
      if (original === undefined) continue;
      this.#repeated.set(origin.query, repeated.set(original.uuid, part.uuid));
      repeats.push(part);
    }
    return repeats;
  }

  /** The query that brought the part (`QUERY_COLUMN`), if it was among those that `among` was asked about. */
  queryOf({ uuid }: Part): string | undefined {
    return this.#origins.get(uuid)?.query;
  }

  #mayRepeat(part: Part, { token, query }: Origin, { uuid, block, rows }: Part): boolean {
    const origin = this.#origins.get(uuid);
    return block < part.block && rows === part.rows && origin?.token === token && origin.query !== query;
  }

  #forget(parts: readonly Part[]): void {
    const uuids = new Set(parts.map(({ uuid }) => uuid));
    for (const map of [this.#origins, this.#contents]) for (const uuid of map.keys()) if (!uuids.has(uuid)) map.delete(uuid);
    for (const [query, repeated] of this.#repeated) if (![...repeated.keys()].some((uuid) => uuids.has(uuid))) this.#repeated.delete(query);
  }

  async #readOrigins(parts: readonly Part[]): Promise<void> {
    const columns = `_part AS part, ${quoteIdentifier(TOKEN_COLUMN)} AS token, ${quoteIdentifier(QUERY_COLUMN)} AS query`;
    for (const unread of slicesOf(parts.filter(({ uuid }) => !this.#origins.has(uuid)))) {
      const found = await this.#client.rows<Origin & { part: string }>(
        `SELECT ${columns} FROM ${tableNameText(this.#outbox)} WHERE ${isOneOf(unread)} AND _part_offset = 0`,
      );
      const origins = new Map(found.map(({ part, ...origin }) => [part, origin]));
      for (const { uuid, name } of unread) this.#origins.set(uuid, origins.get(name) ?? { token: '', query: '' });
    }
  }

  /** The first of `earlier` that holds the same rows. */
  async #equalOf(part: Part, earlier: readonly Part[]): Promise<Part | undefined> {
    for (const wanted of slicesOf([part, ...earlier].filter(({ uuid }) => !this.#contents.has(uuid)))) {
      const found = await this.#client.rows<{ part: string; content: string }>(
        `SELECT _part AS part, toString(sum(cityHash64(formatRow('RowBinary', ${await this.#comparedColumns()})))) AS content ` +
          `FROM ${tableNameText(this.#outbox)} WHERE ${isOneOf(wanted)} GROUP BY _part`,
      );
      const contents = new Map(found.map(({ part: name, content }) => [name, content]));
      for (const { uuid, name } of wanted) this.#contents.set(uuid, contents.get(name) ?? uuid);
    }
    return earlier.find(({ uuid }) => this.#contents.get(uuid) === this.#contents.get(part.uuid));
  }

  async #comparedColumns(): Promise<string> {
    if (this.#compared !== undefined) return this.#compared;
    const { database, name } = this.#outbox;
    const found = await this.#client.rows<{ name: string }>(
      `SELECT name FROM system.columns WHERE database = ${quoteString(database)} AND table = ${quoteString(name)} ` +
        `AND (default_kind = '' OR name IN ('_headers.name', '_headers.value')) ORDER BY position`,
    );
    // A table may fill all of its columns.
    this.#compared = ['1', ...found.map((column) => quoteIdentifier(column.name))].join(', ');
    return this.#compared;
  }
}

/** Many parts may have gathered while Kafka was away, and what the server reads of a statement has a limit (`max_query_size`). */
const SLICE_PARTS = 1_000;

function slicesOf(parts: readonly Part[]): Part[][] {
  const count = Math.ceil(parts.length / SLICE_PARTS);
  return Array.from({ length: count }, (_, i) => parts.slice(i * SLICE_PARTS, (i + 1) * SLICE_PARTS));
}

function isOneOf(parts: readonly Part[]): string {
  return `_part IN (${parts.map(({ name }) => quoteString(name)).join(', ')})`;
}
