import { schemaRegistryAt, type SchemaRegistry } from '../registry/index.ts';
import { recordSkipper } from './avro-skipper.ts';
import { numbered, NumberedRowsWriter } from './numbered.ts';
import type { Skip } from './row-skipper.ts';
import type { Splicer } from './splicer.ts';

const MAGIC = 0;
const HEADER_BYTES = 5;

/** How records are skipped, by the ids of their schemas. */
class SchemaSkippers {
  readonly #registry: SchemaRegistry;
  /** `none`: the server has to say what it makes of the schema. */
  readonly #skips = new Map<number, Skip | 'none'>();

  constructor(registry: SchemaRegistry) {
    this.#registry = registry;
  }

  #of(id: number): Skip | undefined {
    const known = this.#skips.get(id) ?? this.#make(id);
    return known === 'none' ? undefined : known;
  }

  /** As `EndOfRow`, of a record with the id of its schema in front. */
  endOfRecord(bytes: Buffer, at: number, end: number): number {
    if (at + HEADER_BYTES > end || bytes[at] !== MAGIC) return -1;
    const skip = this.#of(bytes.readUInt32BE(at + 1));
    return skip === undefined ? -1 : skip(bytes, at + HEADER_BYTES, end);
  }

  #make(id: number): Skip | 'none' | undefined {
    const schema = this.#registry.schemaOf(id);
    if (schema === undefined) return undefined;
    const skip = recordSkipper(schema) ?? 'none';
    this.#skips.set(id, skip);
    return skip;
  }
}

const skippers = new WeakMap<SchemaRegistry, SchemaSkippers>();

function skippersOf(registry: SchemaRegistry): SchemaSkippers {
  const known = skippers.get(registry);
  if (known !== undefined) return known;
  const made = new SchemaSkippers(registry);
  skippers.set(registry, made);
  return made;
}

/**
 * AvroConfluent: records, each with the id of its schema in front, stand one behind the other as they are; the server looks for their schemas
 * itself. A message is a number of whole records by their schemas; what has a schema that is not known (yet) goes alone.
 */
export const avroConfluent: Splicer = {
  createWriter(fields, { settings }) {
    const url = settings['format_avro_schema_registry_url'];
    const registry = url === undefined || url === '' ? undefined : schemaRegistryAt({ url });
    if (registry === undefined) return undefined;
    const schemas = skippersOf(registry);
    return new NumberedRowsWriter(fields, (bytes, at, end) => schemas.endOfRecord(bytes, at, end));
  },
  ...numbered,
};
