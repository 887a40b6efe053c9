import { askWithin, httpReach, ReachError } from '../reach/index.ts';

/** Where schemas are asked for; made of a table's settings. */
export interface RegistryAddress {
  /** As in `format_avro_schema_registry_url`; user and password in it are sent as HTTP Basic. */
  readonly url: string;
}

/** Longest time for one answer, in milliseconds. */
const ANSWER_MS = 5_000;
const FIRST_PAUSE_MS = 500;
const MOST_PAUSE_MS = 60_000;
/** Requests under way at a time: ids come from messages, which may name any. */
const MOST_UNDER_WAY = 8;
/** Ids without a schema that are remembered. */
const MOST_MISSED = 10_000;
const LARGEST_ANSWER_BYTES = 16 * 1024 * 1024;

/** A registry that does not answer as it should, in a sentence that says why and what to change. */
export class RegistryFailure extends Error {
  override readonly name = 'RegistryFailure';
  readonly kind: 'unreachable' | 'unauthorized' | 'unknown schema' | 'not allowed';

  constructor(kind: RegistryFailure['kind'], message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}

interface Missed {
  readonly attempts: number;
  readonly nextAtMs: number;
}

/**
 * Schemas by their ids, as a Confluent schema registry hands them out (`GET <url>/schemas/ids/<id>`). It never waits: `schemaOf` answers what is known, and
 * asks for the rest meanwhile. A schema never changes under its id, so it is kept.
 */
export class SchemaRegistry {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #schemas = new Map<number, string>();
  readonly #missed = new Map<number, Missed>();
  readonly #underWay = new Set<number>();

  /** Throws a TypeError when the address is no URL. */
  constructor({ url }: RegistryAddress) {
    const parsed = new URL(url);
    const [user, password] = [parsed.username, parsed.password].map(decodeURIComponent);
    parsed.username = '';
    parsed.password = '';
    this.#base = `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`;
    this.#headers = {
      accept: 'application/vnd.schemaregistry.v1+json, application/json',
      ...(user === '' ? {} : { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }),
    };
  }

  /** The Avro schema of this id as JSON text; undefined while it is not known. A later call may know it. */
  schemaOf(id: number): string | undefined {
    const known = this.#schemas.get(id);
    if (known === undefined && this.#mayAsk(id)) void this.#ask(id);
    return known;
  }

  /** Asks whether the registry lets us in and knows the schema with this id; without an id, whether it lets us in. Throws `RegistryFailure`. */
  async probe(id: number | undefined, signal: AbortSignal): Promise<void> {
    const { status, reason } = await this.#statusOf(id === undefined ? '/schemas/types' : `/schemas/ids/${id}`, signal);
    const at = `at the schema registry ${this.#base}`;
    if (status === 401 || status === 403) {
      throw new RegistryFailure(
        'unauthorized',
        `${at}: it refuses the credentials (HTTP ${status}). Correct user and password in format_avro_schema_registry_url (http://user:password@host:port)`,
      );
    }
    if (status === 404 && id !== undefined) {
      throw new RegistryFailure(
        'unknown schema',
        `${at}: it knows no schema with id ${id}, which the newest message begins with. Correct format_avro_schema_registry_url, or register the schema`,
      );
    }
    // An old registry does not know what is asked for without an id, and is one.
    if (status === undefined || status >= 500) {
      const told = status === undefined ? reason : `it answers HTTP ${status}`;
      throw new RegistryFailure('unreachable', `${at}: ${told}. Correct format_avro_schema_registry_url, or start the registry`);
    }
  }

  async #statusOf(path: string, signal: AbortSignal): Promise<{ readonly status?: number; readonly reason: string }> {
    try {
      const { status } = await askWithin(httpReach, {
        url: `${this.#base}${path}`,
        headers: this.#headers,
        timeoutMs: ANSWER_MS,
        maxAnswerBytes: LARGEST_ANSWER_BYTES,
        signal,
      });
      return { status, reason: '' };
    } catch (error) {
      const { name, message, code } = error as NodeJS.ErrnoException;
      if (error instanceof ReachError)
        throw new RegistryFailure('not allowed', `at the schema registry ${this.#base}: ${message}`, { cause: error });
      if (signal.aborted || name === 'TimeoutError' || name === 'AbortError') return { reason: 'no answer in time' };
      return { reason: message === '' ? (code ?? name) : message };
    }
  }

  #mayAsk(id: number): boolean {
    if (this.#underWay.has(id) || this.#underWay.size >= MOST_UNDER_WAY) return false;
    return (this.#missed.get(id)?.nextAtMs ?? 0) <= Date.now();
  }

  async #ask(id: number): Promise<void> {
    this.#underWay.add(id);
    try {
      this.#schemas.set(id, await this.#fetch(id));
      this.#missed.delete(id);
    } catch {
      // The server asks the registry itself for messages that go alone, and says what is wrong with it.
      this.#miss(id);
    } finally {
      this.#underWay.delete(id);
    }
  }

  #miss(id: number): void {
    const attempts = (this.#missed.get(id)?.attempts ?? 0) + 1;
    if (this.#missed.size >= MOST_MISSED) this.#missed.clear();
    this.#missed.set(id, { attempts, nextAtMs: Date.now() + Math.min(MOST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempts - 1, 10)) });
  }

  async #fetch(id: number): Promise<string> {
    const url = `${this.#base}/schemas/ids/${id}`;
    const { status, text } = await askWithin(httpReach, {
      url,
      headers: this.#headers,
      timeoutMs: ANSWER_MS,
      maxAnswerBytes: LARGEST_ANSWER_BYTES,
    });
    if (status < 200 || status > 299) throw new Error(`the registry answered ${status}`);
    return schemaIn(JSON.parse(text));
  }
}

/** The schema in an answer. Throws when it is no Avro schema that stands by itself. */
function schemaIn(answer: unknown): string {
  if (typeof answer !== 'object' || answer === null) throw new Error('no object');
  const { schema, schemaType, references } = answer as Record<string, unknown>;
  if (typeof schema !== 'string') throw new Error('no schema');
  if (schemaType !== undefined && schemaType !== 'AVRO') throw new Error('no Avro schema');
  if (Array.isArray(references) && references.length > 0) throw new Error('a schema with references');
  return schema;
}

const registries = new Map<string, SchemaRegistry>();

/** The process's one registry at this address, or undefined when it is no URL. */
export function schemaRegistryAt(address: RegistryAddress): SchemaRegistry | undefined {
  const known = registries.get(address.url);
  if (known !== undefined) return known;
  try {
    const registry = new SchemaRegistry(address);
    registries.set(address.url, registry);
    return registry;
  } catch {
    return undefined;
  }
}
