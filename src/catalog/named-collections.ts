import type { ServiceClient } from '../clickhouse/index.ts';
import { withFilesIn, type FoundCollection } from '../engine/index.ts';
import { collectionOfServer, type NamedCollection } from '../librdkafka/index.ts';
import type { Logger } from '../logger.ts';
import { quoteString } from '../sql/index.ts';

export interface NamedCollectionsOptions {
  readonly client: Pick<ServiceClient, 'rows'>;
  /** The gateway's own, by name. */
  readonly configured: ReadonlyMap<string, NamedCollection>;
  /** Where files are that the server's collections may name; absent: nowhere. The `kafka` sections of the gateway's own name what they like. */
  readonly filesFolder?: string | undefined;
  readonly logger: Logger;
}

interface Row {
  readonly name: string;
  readonly collection: Readonly<Record<string, string>>;
}

/** What the server shows of a value that must not be read. */
const HIDDEN = '[HIDDEN]';

/** The server's named collections, as far as the service account may read them, and else the gateway's own. */
export class NamedCollections {
  readonly #options: NamedCollectionsOptions;
  /** Properties that mean nothing here and were told, by collection. */
  readonly #told = new Set<string>();

  constructor(options: NamedCollectionsOptions) {
    this.#options = options;
  }

  /** Those of the names that there are. Throws when the server does not answer. */
  async find(names: readonly string[]): Promise<ReadonlyMap<string, FoundCollection>> {
    const found = new Map<string, FoundCollection>();
    if (names.length === 0) return found;
    const rows = await this.#rows(names);
    for (const name of names) {
      const one = this.#choose(name, typeof rows === 'string' ? rows : rows.find((row) => row.name === name));
      if (one !== undefined) found.set(name, one);
    }
    return found;
  }

  /** What the server shows, or its reason not to. */
  async #rows(names: readonly string[]): Promise<readonly Row[] | string> {
    const list = names.map(quoteString).join(', ');
    try {
      return await this.#options.client.rows<Row>(
        `SELECT name, collection FROM system.named_collections WHERE name IN (${list}) SETTINGS format_display_secrets_in_show_and_select = 1`,
      );
    } catch (error) {
      if (error instanceof Error && error.name === 'ClickHouseException') return error.message;
      throw error;
    }
  }

  #choose(name: string, shown: Row | string | undefined): FoundCollection | undefined {
    if (typeof shown === 'object' && !Object.values(shown.collection).includes(HIDDEN)) return this.#read(shown);
    const collection = this.#options.configured.get(name);
    if (collection !== undefined) return { ok: true, collection, isGateways: true };
    return shown === undefined ? undefined : { ok: false, reason: notReadable(name, shown) };
  }

  #withFiles(collection: NamedCollection): FoundCollection {
    const { kafka } = collection;
    if (kafka === undefined) return { ok: true, collection };
    try {
      return { ok: true, collection: { ...collection, kafka: withFilesIn(kafka, this.#options.filesFolder) } };
    } catch (error) {
      return { ok: false, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  #read({ name, collection: entries }: Row): FoundCollection {
    const { collection, problems, meaningless } = collectionOfServer(name, entries);
    for (const { name: property, instead } of meaningless) {
      if (this.#told.has(`${name} ${property}`)) continue;
      this.#told.add(`${name} ${property}`);
      this.#options.logger.warn({ collection: name, property, instead }, 'a Kafka property of a named collection means nothing here');
    }
    return problems.length === 0 ? this.#withFiles(collection) : { ok: false, reason: problems.join(' ') };
  }
}

function notReadable(name: string, shown: Row | string): string {
  const why = typeof shown === 'string' ? ` (${shown})` : '';
  return (
    `its values must not be read by the gateway's service account${why}. Grant it SELECT ON system.named_collections, SHOW NAMED COLLECTIONS ON ${name}, ` +
    'SHOW NAMED COLLECTIONS SECRETS ON * and displaySecretsInShowAndSelect ON *.*, with display_secrets_in_show_and_select in the configuration of the server; ' +
    `or give ${name} under named_collections in the configuration of the gateway`
  );
}
