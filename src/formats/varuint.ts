import type { Target } from './write-text.ts';

/** Of a length below 2^35. */
export const MOST_VARUINT_BYTES = 5;

/** Reads numbers of seven bits a byte, lowest first, as ClickHouse and Protobuf write lengths. */
class Varuint {
  /** The position behind the number read last. */
  next = 0;

  /** The number at `at`, or -1 when it does not end before `end`, or not within `MOST_VARUINT_BYTES`. */
  read(bytes: Buffer, at: number, end: number): number {
    let value = 0;
    let factor = 1;
    for (let i = at; i < end && i < at + MOST_VARUINT_BYTES; i++, factor *= 128) {
      const byte = bytes[i] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.next = i + 1;
        return value;
      }
    }
    return -1;
  }
}

/** The one reader of the process: its position is used before anything else is read. */
export const varuint = new Varuint();

/** Writes a length. The caller has made room for `MOST_VARUINT_BYTES`. */
export function writeVaruint(target: Target, value: number): void {
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) target.chunk[target.position++] = (rest % 128) | 0x80;
  target.chunk[target.position++] = rest;
}

/** A length by itself. */
export function varuintBytes(value: number): Buffer {
  const target = { chunk: Buffer.alloc(MOST_VARUINT_BYTES), position: 0 };
  writeVaruint(target, value);
  return target.chunk.subarray(0, target.position);
}
