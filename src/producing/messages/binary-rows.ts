import { RowCutter } from './row-cutter.ts';

/** Rows as RowBinary of (UInt32 part, UInt32 offset, String traits, Nullable(String) key, String value): any bytes may be a value. */
export class BinaryRows extends RowCutter {
  override find(window: Buffer, begin: number, filled: number): boolean {
    // Part and offset, a length of at least one byte each for traits and value, and whether there is a key.
    let at = begin + 8;
    if (at + 3 > filled) return false;
    let byte = window[at++] as number;
    let traitsLength = byte & 127;
    for (let unit = 128; byte > 127 && at < filled; unit *= 128) {
      byte = window[at++] as number;
      traitsLength += (byte & 127) * unit;
    }
    this.traitsStart = at;
    this.traitsEnd = at += traitsLength;
    if (at + 2 > filled) return false;
    this.keyStart = this.keyEnd = -1;
    if (window[at++] === 0) {
      byte = window[at++] as number;
      let keyLength = byte & 127;
      for (let unit = 128; byte > 127 && at < filled; unit *= 128) {
        byte = window[at++] as number;
        keyLength += (byte & 127) * unit;
      }
      this.keyStart = at;
      this.keyEnd = at += keyLength;
    }
    if (at + 1 > filled) return false;
    byte = window[at++] as number;
    let valueLength = byte & 127;
    for (let unit = 128; byte > 127 && at < filled; unit *= 128) {
      byte = window[at++] as number;
      valueLength += (byte & 127) * unit;
    }
    if (at + valueLength > filled || byte > 127) return false;
    this.part = window.readUInt32LE(begin);
    this.offset = window.readUInt32LE(begin + 4);
    this.valueStart = at;
    this.valueEnd = at + valueLength;
    return true;
  }
}
