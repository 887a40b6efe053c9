/** The smallest ELF file that ClickHouse reads debug information from: one compile unit of the given name (DWARF 4). */
export function elfWithOneUnit(name: string): Buffer {
  const abbreviations = Buffer.from([1, 0x11, 0, 0x03, 0x08, 0, 0, 0]); // 1: compile unit without children, name as string in place
  const unit = Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 0, 8, 1]), Buffer.from(`${name}\0`)]); // version, abbreviations, address size, entry
  const length = Buffer.alloc(4);
  length.writeUInt32LE(unit.length);
  return elf({ '.debug_abbrev': abbreviations, '.debug_info': Buffer.concat([length, unit]) });
}

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SECTION_HEADER_BYTES = 64;

function elf(contents: Readonly<Record<string, Buffer>>): Buffer {
  const names = ['', ...Object.keys(contents), '.shstrtab'];
  const strings = Buffer.from(names.map((name) => `${name}\0`).join(''));
  const bodies = [Buffer.alloc(0), ...Object.values(contents), strings];
  const parts: Buffer[] = [];
  const headers: Buffer[] = [];
  let offset = HEADER_BYTES + PROGRAM_HEADER_BYTES;
  for (const [i, body] of bodies.entries()) {
    headers.push(sectionHeader(strings.indexOf(`${names[i] ?? ''}\0`), i === 0 ? 0 : i === bodies.length - 1 ? 3 : 1, offset, body.length));
    parts.push(body);
    offset += body.length;
  }
  return Buffer.concat([fileHeader(offset, bodies.length), Buffer.alloc(PROGRAM_HEADER_BYTES), ...parts, ...headers]);
}

function fileHeader(sectionHeadersAt: number, sections: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header); // 64 bits, little-endian
  header.writeUInt16LE(1, 16); // relocatable
  header.writeUInt16LE(62, 18); // x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(HEADER_BYTES), 32); // program headers
  header.writeBigUInt64LE(BigInt(sectionHeadersAt), 40);
  header.writeUInt16LE(HEADER_BYTES, 52);
  header.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt16LE(SECTION_HEADER_BYTES, 58);
  header.writeUInt16LE(sections, 60);
  header.writeUInt16LE(sections - 1, 62); // where the names are
  return header;
}

function sectionHeader(name: number, type: number, offset: number, size: number): Buffer {
  const header = Buffer.alloc(SECTION_HEADER_BYTES);
  header.writeUInt32LE(name, 0);
  header.writeUInt32LE(type, 4);
  header.writeBigUInt64LE(BigInt(offset), 24);
  header.writeBigUInt64LE(BigInt(size), 32);
  return header;
}
