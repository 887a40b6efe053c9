import { layoutOf, UnknownLayout, type Layout } from '../protocol/index.ts';
import { varuint } from './varuint.ts';

/** The position behind the value (or row) that begins at `at`, or -1 when it does not end within `end`, or is none. */
export type Skip = (bytes: Buffer, at: number, end: number) => number;

/**
 * Skips a row of RowBinary with columns of these types, in this order. Made once, it makes no object for any value. Undefined when there is a type
 * whose values cannot be told apart here.
 *
 * Source: ClickHouse `src/DataTypes/Serializations/` (`deserializeBinary`), and the RowBinary format's page of its documentation.
 */
export function rowSkipper(types: readonly string[], hasDefaultFlags = false): Skip | undefined {
  const skips: Skip[] = [];
  for (const type of types) {
    const skip = valueSkipper(type);
    if (skip === undefined) return undefined;
    skips.push(hasDefaultFlags ? flagged(skip, 1) : skip);
  }
  return skips.length === 0 ? undefined : sequence(skips);
}

function valueSkipper(type: string): Skip | undefined {
  if (HAS_OTHER_LAYOUT.test(type)) return undefined;
  try {
    return skipperOf(layoutOf(type));
  } catch (error) {
    if (error instanceof UnknownLayout) return undefined;
    throw error;
  }
}

/** Types that stand otherwise in a row than in a block, or not at all. */
const HAS_OTHER_LAYOUT = /\b(?:Nothing|Nested|Variant|Tuple\(\))/;

function skipperOf(layout: Layout): Skip {
  switch (layout.kind) {
    case 'fixed':
      return fixed(layout.bytes);
    case 'string':
      return skipString;
    case 'nullable':
      return flagged(skipperOf(layout.inner), 1);
    case 'array':
      return repeated(skipperOf(layout.inner));
    case 'tuple':
      return sequence(layout.elements.map(skipperOf));
    case 'low cardinality':
      return skipperOf(layout.inner);
    case 'variant':
      throw new UnknownLayout('Variant');
  }
}

function fixed(size: number): Skip {
  return (_bytes, at, end) => (at + size <= end ? at + size : -1);
}

const skipString: Skip = (bytes, at, end) => {
  const length = varuint.read(bytes, at, end);
  return length < 0 || varuint.next + length > end ? -1 : varuint.next + length;
};

/** A byte in front: 0 when the value follows, `none` when it does not. */
function flagged(skip: Skip, none: number): Skip {
  return (bytes, at, end) => {
    if (at >= end) return -1;
    if (bytes[at] === 0) return skip(bytes, at + 1, end);
    return bytes[at] === none ? at + 1 : -1;
  };
}

function repeated(skip: Skip): Skip {
  return (bytes, at, end) => {
    const count = varuint.read(bytes, at, end);
    let next = varuint.next;
    if (count < 0 || count > end - next) return -1; // no value takes less than a byte
    for (let i = 0; i < count && next >= 0; i++) next = skip(bytes, next, end);
    return next;
  };
}

function sequence(skips: readonly Skip[]): Skip {
  return (bytes, at, end) => {
    let next = at;
    for (let i = 0; i < skips.length && next >= 0; i++) next = (skips[i] as Skip)(bytes, next, end);
    return next;
  };
}
