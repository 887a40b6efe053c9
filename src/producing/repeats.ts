import { tableNameText, type Outbox } from '../catalog/index.ts';
import type { ServiceClient } from '../clickhouse/index.ts';
import { TOKEN_COLUMN } from '../engine/index.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import type { Part } from './position.ts';

type Client = Pick<ServiceClient, 'rows'>;
type Id = Pick<Outbox, 'database' | 'name'>;

/**
 * Finds parts that repeat an earlier one: inserted with the same `insert_deduplication_token`, and holding the same rows, in whatever order: a gateway that delivers a
 * dead one's batch again reads its partitions one after the other. One INSERT may make several parts, of several
 * views for example, so that the token alone says nothing.
 */
export class Repeats {
  readonly #client: Client;
  readonly #outbox: Id;
  /** By part UUID; '' for none. Parts are immutable. */
  readonly #tokens = new Map<string, string>();
  readonly #contents = new Map<string, string>();

  constructor(client: Client, outbox: Id) {
    this.#client = client;
    this.#outbox = outbox;
  }

  /** Those of `candidates` that repeat one of `parts` before them. `parts`: all of the outbox, in order, `candidates` among them. Throws what the client throws. */
  async among(parts: readonly Part[], candidates: readonly Part[]): Promise<Part[]> {
    this.#forget(parts);
    await this.#readTokens(parts);
    const repeats: Part[] = [];
    for (const part of candidates) {
      const token = this.#tokens.get(part.uuid) ?? '';
      if (token === '') continue;
      const earlier = parts.filter(
        ({ uuid, rows, block }) =>
          block < part.block && rows === part.rows && this.#tokens.get(uuid) === token && !repeats.some((one) => one.uuid === uuid),
      );
      if (earlier.length > 0 && (await this.#isIn(part, earlier))) repeats.push(part);
    }
    return repeats;
  }

  #forget(parts: readonly Part[]): void {
    const uuids = new Set(parts.map(({ uuid }) => uuid));
    for (const map of [this.#tokens, this.#contents]) for (const uuid of map.keys()) if (!uuids.has(uuid)) map.delete(uuid);
  }

  async #readTokens(parts: readonly Part[]): Promise<void> {
    const unread = parts.filter(({ uuid }) => !this.#tokens.has(uuid));
    if (unread.length === 0) return;
    const found = await this.#client.rows<{ part: string; token: string }>(
      `SELECT _part AS part, ${quoteIdentifier(TOKEN_COLUMN)} AS token FROM ${tableNameText(this.#outbox)} WHERE ${isOneOf(unread)} AND _part_offset = 0`,
    );
    const tokens = new Map(found.map(({ part, token }) => [part, token]));
    for (const { uuid, name } of unread) this.#tokens.set(uuid, tokens.get(name) ?? '');
  }

  async #isIn(part: Part, earlier: readonly Part[]): Promise<boolean> {
    const wanted = [part, ...earlier].filter(({ uuid }) => !this.#contents.has(uuid));
    if (wanted.length > 0) {
      const found = await this.#client.rows<{ part: string; content: string }>(
        `SELECT _part AS part, toString(sum(cityHash64(formatRow('RowBinary', *)))) AS content ` +
          `FROM ${tableNameText(this.#outbox)} WHERE ${isOneOf(wanted)} GROUP BY _part`,
      );
      const contents = new Map(found.map(({ part: name, content }) => [name, content]));
      for (const { uuid, name } of wanted) this.#contents.set(uuid, contents.get(name) ?? uuid);
    }
    return earlier.some(({ uuid }) => this.#contents.get(uuid) === this.#contents.get(part.uuid));
  }
}

function isOneOf(parts: readonly Part[]): string {
  return `_part IN (${parts.map(({ name }) => quoteString(name)).join(', ')})`;
}
