import avro from 'avsc';
import type { Skip } from './row-skipper.ts';

/**
 * Skips a record of this schema (JSON text), or undefined when that is not sure to be what the server does: the schema is no record, is
 * wrong, or holds itself. Made once, it makes no object for any value.
 *
 * avsc reads the schema; the bytes are walked here, since avsc's own way takes any count or length that the bytes claim.
 * Source: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
 */
export function recordSkipper(schema: string): Skip | undefined {
  try {
    const type: unknown = avro.Type.forSchema(JSON.parse(schema) as avro.Schema, { wrapUnions: true });
    const { typeName } = type as SchemaType;
    return typeName === 'record' ? new Skippers().of(type as SchemaType) : undefined;
  } catch {
    return undefined;
  }
}

/** What is looked at of avsc's types; each has what its kind has. */
interface SchemaType {
  readonly typeName: string;
  readonly size: number;
  readonly symbols: readonly string[];
  readonly itemsType: SchemaType;
  readonly valuesType: SchemaType;
  readonly fields: readonly { readonly type: SchemaType }[];
  readonly types: readonly SchemaType[];
}

/** Makes one for each type of a schema. Throws for a type that holds itself, and for unknown ones. */
class Skippers {
  readonly #made = new Map<SchemaType, Skip | 'under way'>();

  of(type: SchemaType): Skip {
    const known = this.#made.get(type);
    if (known === 'under way') throw new RangeError('a type that holds itself');
    if (known !== undefined) return known;
    this.#made.set(type, 'under way');
    const skip = this.#make(type);
    this.#made.set(type, skip);
    return skip;
  }

  #make(type: SchemaType): Skip {
    const inner = (one: SchemaType): Skip => this.of(one);
    switch (type.typeName) {
      case 'null':
        return (_bytes, at) => at;
      case 'boolean':
        return (bytes, at, end) => (at < end && (bytes[at] as number) <= 1 ? at + 1 : -1);
      case 'int':
      case 'long':
        return skipLong;
      case 'float':
        return fixed(4);
      case 'double':
        return fixed(8);
      case 'bytes':
      case 'string':
        return skipSized;
      case 'fixed':
        return fixed(type.size);
      case 'enum':
        return symbol(type.symbols.length);
      case 'array':
        return blocks(inner(type.itemsType));
      case 'map':
        return blocks(sequence([skipSized, inner(type.valuesType)]));
      case 'record':
        return sequence(type.fields.map((field) => inner(field.type)));
      case 'union:wrapped':
        return union(type.types.map(inner));
      default:
        throw new RangeError(`unknown type ${type.typeName}`);
    }
  }
}

/** Reads Avro's numbers: seven bits a byte, lowest first, zigzag-coded. */
class Long {
  /** The position behind the number read last. */
  next = 0;

  /** The number at `at`, or NaN when it does not end before `end`. Beyond 2^53 it is not exact. */
  read(bytes: Buffer, at: number, end: number): number {
    let value = 0;
    let factor = 1;
    for (let i = at; i < end && i < at + 10; i++, factor *= 128) {
      const byte = bytes[i] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.next = i + 1;
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
    }
    return NaN;
  }
}

const long = new Long();

function isBelow(value: number, limit: number): boolean {
  return value >= 0 && value < limit;
}

const skipLong: Skip = (bytes, at, end) => (Number.isNaN(long.read(bytes, at, end)) ? -1 : long.next);

const skipSized: Skip = (bytes, at, end) => {
  const length = long.read(bytes, at, end);
  return isBelow(length, end - long.next + 1) ? long.next + length : -1;
};

function fixed(size: number): Skip {
  return (_bytes, at, end) => (at + size <= end ? at + size : -1);
}

function symbol(symbols: number): Skip {
  return (bytes, at, end) => (isBelow(long.read(bytes, at, end), symbols) ? long.next : -1);
}

function sequence(skips: readonly Skip[]): Skip {
  return (bytes, at, end) => {
    let next = at;
    for (let i = 0; i < skips.length && next >= 0; i++) next = (skips[i] as Skip)(bytes, next, end);
    return next;
  };
}

function union(branches: readonly Skip[]): Skip {
  return (bytes, at, end) => {
    const branch = long.read(bytes, at, end);
    return isBelow(branch, branches.length) ? (branches[branch] as Skip)(bytes, long.next, end) : -1;
  };
}

/**
 * Arrays and maps: blocks of items up to an empty one. A count below 0 has the block's bytes behind it: a reader may skip by them, so they have to be right.
 */
function blocks(skip: Skip): Skip {
  return (bytes, start, end) => {
    for (let at = start; ;) {
      let count = long.read(bytes, at, end);
      at = long.next;
      if (count === 0) return at;
      let blockEnd = -1;
      if (count < 0) {
        count = -count;
        const size = long.read(bytes, at, end);
        at = long.next;
        if (!isBelow(size, end - at + 1)) return -1;
        blockEnd = at + size;
      }
      // Items without bytes may be as many as anybody says: they are left to the server.
      if (!isBelow(count, end - at + 1)) return -1;
      for (let i = 0; i < count && at >= 0; i++) at = skip(bytes, at, end);
      if (at < 0 || (blockEnd >= 0 && at !== blockEnd)) return -1;
    }
  };
}
