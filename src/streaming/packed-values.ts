/** Bytes as an SQL string literal: they stand as they are, only quotes and backslashes are escaped. */
export function bytesLiteral(bytes: Buffer): Buffer {
  const literal = Buffer.allocUnsafe(2 + 2 * bytes.length);
  let at = 0;
  literal[at++] = QUOTE;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE || byte === BACKSLASH) literal[at++] = BACKSLASH;
    literal[at++] = byte;
  }
  literal[at++] = QUOTE;
  return literal.subarray(0, at);
}

const QUOTE = 0x27;
const BACKSLASH = 0x5c;

/**
 * SQL for `values[index]`, where `index` is SQL for a number from 0 that is below their count. Values are safe integers. What is constant or grows evenly is
 * computed; other values are their distances from the smallest one in as few bytes each as will do, in a string that `blob` names.
 */
export function packNumbers(values: Float64Array, index: string, blob: (bytes: Buffer) => string): string {
  const first = values[0] ?? 0;
  const step = values.length > 1 ? (values[1] as number) - first : 0;
  if (step >= 0 && values.every((value, i) => value === first + step * i)) {
    return step === 0 ? String(first) : `(${first} + ${index} * ${step})`;
  }
  const least = values.reduce((least, value) => Math.min(least, value));
  const width = widthOf(values.reduce((most, value) => Math.max(most, value)) - least);
  const bytes = Buffer.alloc(values.length * width);
  values.forEach((value, i) => writeDistance(bytes, i * width, value - least, width));
  return `(${least} + reinterpretAsUInt${8 * width}(substring(${blob(bytes)}, ${index} * ${width} + 1, ${width})))`;
}

function widthOf(most: number): 1 | 2 | 4 | 8 {
  if (most < 2 ** 8) return 1;
  if (most < 2 ** 16) return 2;
  return most < 2 ** 32 ? 4 : 8;
}

function writeDistance(bytes: Buffer, at: number, distance: number, width: 1 | 2 | 4 | 8): void {
  if (width < 8) bytes.writeUIntLE(distance, at, width);
  else {
    bytes.writeUInt32LE(distance % 2 ** 32, at);
    bytes.writeUInt32LE(Math.floor(distance / 2 ** 32), at + 4);
  }
}
