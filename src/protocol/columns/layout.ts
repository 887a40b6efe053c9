import { ProtocolError } from '../reader.ts';
import { splitTypeName, withoutElementName } from './type-names.ts';

/**
 * How the values of a type stand in a block.
 *
 * Source: ClickHouse `src/DataTypes/Serializations/`, and the Native format's page of its documentation.
 */
export type Layout =
  | { readonly kind: 'fixed'; readonly bytes: number }
  | { readonly kind: 'string' }
  | { readonly kind: 'nullable'; readonly inner: Layout }
  | { readonly kind: 'array'; readonly inner: Layout }
  | { readonly kind: 'tuple'; readonly elements: readonly Layout[] }
  | { readonly kind: 'low cardinality'; readonly inner: Layout }
  | { readonly kind: 'variant'; readonly alternatives: readonly Layout[] };

/** A type whose values cannot be told apart without knowing much more: `JSON`, `Dynamic`, states of aggregate functions, later types. */
export class UnknownLayout extends ProtocolError {
  readonly type: string;

  constructor(type: string) {
    super(`the layout of type ${type} is not known`);
    this.type = type;
  }
}

// Maps: a client may call a type `constructor`.
const FIXED_BYTES: ReadonlyMap<string, number> = new Map([
  ...names(1, 'UInt8 Int8 Bool Enum8 Nothing'),
  ...names(2, 'UInt16 Int16 Date Enum16 BFloat16'),
  ...names(4, 'UInt32 Int32 Float32 DateTime Date32 IPv4 Time Decimal32'),
  ...names(8, 'UInt64 Int64 Float64 DateTime64 Time64 Decimal64'),
  ...names(8, 'IntervalNanosecond IntervalMicrosecond IntervalMillisecond IntervalSecond IntervalMinute IntervalHour'),
  ...names(8, 'IntervalDay IntervalWeek IntervalMonth IntervalQuarter IntervalYear'),
  ...names(16, 'UInt128 Int128 UUID IPv6 Decimal128'),
  ...names(32, 'UInt256 Int256 Decimal256'),
]);

const ALIASES: ReadonlyMap<string, string> = new Map([
  ['Point', 'Tuple(Float64, Float64)'],
  ['Ring', 'Array(Point)'],
  ['LineString', 'Array(Point)'],
  ['MultiPoint', 'Array(Point)'],
  ['Polygon', 'Array(Ring)'],
  ['MultiLineString', 'Array(LineString)'],
  ['MultiPolygon', 'Array(Polygon)'],
]);

const MAX_DEPTH = 100;

/** The layout of a type by its name. Throws `UnknownLayout` when it is not known. */
export function layoutOf(type: string, depth = 0): Layout {
  if (depth > MAX_DEPTH) throw new UnknownLayout(type);
  const { name, parameters } = splitTypeName(type);
  const inner = (at: number): Layout => layoutOf(parameters[at] ?? '', depth + 1);
  const elements = (): Layout[] => parameters.map((element) => layoutOf(withoutElementName(element), depth + 1));
  const bytes = FIXED_BYTES.get(name);
  if (bytes !== undefined) return { kind: 'fixed', bytes };
  const alias = ALIASES.get(name);
  if (alias !== undefined) return layoutOf(alias, depth + 1);
  switch (name) {
    case 'String':
      return { kind: 'string' };
    case 'FixedString':
      return { kind: 'fixed', bytes: positive(type, parameters[0]) };
    case 'Decimal':
      return { kind: 'fixed', bytes: decimalBytes(positive(type, parameters[0])) };
    case 'Nullable':
      return { kind: 'nullable', inner: inner(0) };
    case 'Array':
      return { kind: 'array', inner: inner(0) };
    case 'Map':
      return { kind: 'array', inner: { kind: 'tuple', elements: [inner(0), inner(1)] } };
    case 'Nested':
      return { kind: 'array', inner: { kind: 'tuple', elements: elements() } };
    case 'Tuple':
      return parameters.length === 0 ? { kind: 'fixed', bytes: 1 } : { kind: 'tuple', elements: elements() };
    case 'LowCardinality':
      return { kind: 'low cardinality', inner: inner(0) };
    case 'Variant':
      return { kind: 'variant', alternatives: parameters.map((_, at) => inner(at)) };
    case 'SimpleAggregateFunction':
      return inner(parameters.length - 1);
    default:
      throw new UnknownLayout(type);
  }
}

function names(bytes: number, list: string): [string, number][] {
  return list.split(' ').map((name) => [name, bytes]);
}

function positive(type: string, parameter: string | undefined): number {
  const value = Number(parameter);
  if (!Number.isSafeInteger(value) || value <= 0) throw new UnknownLayout(type);
  return value;
}

function decimalBytes(precision: number): number {
  if (precision <= 9) return 4;
  if (precision <= 18) return 8;
  return precision <= 38 ? 16 : 32;
}
