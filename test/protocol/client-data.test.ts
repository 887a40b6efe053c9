import test from 'ava';
import fc from 'fast-check';
import { BufferReader, compressFrame, CLIENT_PACKETS, emptyBlock, skipClientData, type DataKind } from '../../src/protocol/index.ts';
import { cityHash128 } from '../../src/protocol/city-hash.ts';
import { COMPRESSION_METHODS, readFrameHeader } from '../../src/protocol/compression.ts';
import { hex } from './helpers/cuts.ts';

const REVISION = 54468;
const ENCODING = { revision: REVISION, isCompressed: true };
const EMPTY = Buffer.concat([hex('0200'), hex('a783ac6cd55c7a7cb5ac46bddb86e21482140000000a000000a0010002ffffffff000000')]);

/** Reads Data packets up to and with the empty one; where each began. */
async function readPackets(reader: BufferReader): Promise<number[]> {
  const starts: number[] = [];
  for (let kind: DataKind = 'rows'; kind === 'rows';) {
    starts.push(reader.position);
    if ((await reader.u8()) !== CLIENT_PACKETS.Data) throw new Error(`no Data packet at ${reader.position - 1}`);
    kind = await skipClientData(reader, ENCODING);
  }
  return starts;
}

function packet(...frames: readonly Buffer[]): Buffer {
  return Buffer.concat([hex('0200'), ...frames]);
}

function startsOf(packets: readonly Buffer[]): number[] {
  let at = 0;
  return packets.map((bytes) => (at += bytes.length) - bytes.length);
}

test('blocks of any number of frames are told apart wherever the bytes are cut', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.uint8Array({ minLength: 13, maxLength: 200 }), { minLength: 1, maxLength: 4 }), { maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      async (blocks, cuts) => {
        const packets = [...blocks.map((frames) => packet(...frames.map((data) => compressFrame(Buffer.from(data), 'LZ4')))), EMPTY];
        const bytes = Buffer.concat(packets);
        const at = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i] ?? 0, end));
        t.deepEqual(await readPackets(new BufferReader(...pieces)), startsOf(packets));
      },
    ),
    { numRuns: 200 },
  );
});

test('a frame that looks like a packet is told by its checksum', async (t) => {
  const misleading = frameThatLooksLikeData();
  const packets = [packet(compressFrame(Buffer.alloc(50), 'None'), misleading), EMPTY];
  t.not(readFrameHeader(misleading, 2), undefined);
  t.deepEqual(await readPackets(new BufferReader(...packets)), startsOf(packets));
});

test('a small frame whose checksum looks like a packet with a long name is not waited on for that name', async (t) => {
  const misleading = withChecksum(
    compressFrame(Buffer.alloc(13), 'None'),
    (bytes) => bytes[0] === CLIENT_PACKETS.Data && (bytes[1] ?? 0) >> 6 === 1,
  );
  const packets = [packet(compressFrame(Buffer.alloc(50), 'None'), misleading), EMPTY];
  t.deepEqual(await readPackets(new BufferReader(...packets)), startsOf(packets));
});

/**
 * It begins with `02 00`, and read as a frame from there on has method LZ4, a body of 16 MiB and as much inside: bytes 18 … 26, which are its own sizes and the
 * beginning of its body. Not a body that ZSTD could unfold, which nobody does here.
 */
function frameThatLooksLikeData(): Buffer {
  const frame = Buffer.alloc(25 + 0x8200);
  frame[16] = COMPRESSION_METHODS.ZSTD;
  frame.writeUInt32LE(9 + 0x8200, 17);
  frame.writeUInt32LE(0x0100, 21);
  frame[26] = 0x01;
  return withChecksum(frame, (bytes) => bytes[0] === CLIENT_PACKETS.Data && bytes[1] === 0, FOUND_BEFORE);
}

test('a packet that looks like a frame is told by its checksum', async (t) => {
  const frame = withChecksum(compressFrame(Buffer.alloc(300), 'None'), (bytes) => bytes[14] === COMPRESSION_METHODS.ZSTD);
  const misleading = packet(frame);
  const packets = [packet(compressFrame(Buffer.alloc(50), 'None')), misleading, EMPTY];
  t.not(readFrameHeader(misleading, 0), undefined);
  t.deepEqual(await readPackets(new BufferReader(...packets)), startsOf(packets));
});

test('a long packet that looks like a long frame is neither held nor taken for one', async (t) => {
  const frame = compressFrame(Buffer.alloc((5 << 20) + 0xf0), 'None');
  // Nobody looks at the checksum: read as a frame from two bytes before, it is one of ZSTD with a body of many MiB.
  frame[14] = COMPRESSION_METHODS.ZSTD;
  const misleading = packet(frame);
  const packets = [packet(compressFrame(Buffer.alloc(50), 'None')), misleading, EMPTY];
  t.true((readFrameHeader(misleading, 0)?.frameBytes ?? 0) > 4 << 20);
  const bytes = Buffer.concat(packets);
  class Watching extends BufferReader {
    mostHeld = 0;
    override async more(leastBytes?: number): Promise<void> {
      await super.more(leastBytes);
      this.mostHeld = Math.max(this.mostHeld, this.chunk.length);
    }
  }
  const reader = new Watching(
    ...Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, i) => bytes.subarray(i * 65_536, (i + 1) * 65_536)),
  );
  t.deepEqual(await readPackets(reader), startsOf(packets));
  t.true(reader.mostHeld < 1 << 20, `${reader.mostHeld} bytes`);
});

/** Searching from 0 takes two minutes. */
const FOUND_BEFORE = 82_520;

/** Counts up inside the body until the checksum, now right, is as wanted. */
function withChecksum(frame: Buffer, isWanted: (frame: Buffer) => boolean, from = 0): Buffer {
  for (let i = from; ; i += 1) {
    frame.writeUInt32LE(i, frame.length - 4);
    cityHash128(frame.subarray(16)).copy(frame);
    if (isWanted(frame)) return frame;
  }
}

test('a Cancel in the middle of an INSERT is released before more comes', async (t) => {
  class Watching extends BufferReader {
    readonly released: number[] = [];
    override release(count: number): void {
      this.released.push(count);
    }
  }
  const reader = new Watching(packet(compressFrame(Buffer.alloc(50), 'LZ4')), hex('03'), EMPTY);
  await reader.u8();
  t.is(await skipClientData(reader, ENCODING), 'rows');
  t.deepEqual(reader.released, [1]);
  t.is(await reader.u8(), CLIENT_PACKETS.Cancel);
});

test('the empty block ends a sequence, compressed by any method and at any revision', async (t) => {
  const zstd = hex('90ced47c8d4e82f9aeb0fb84d3bc38d2901c0000000a00000028b52ffd200a510000010002ffffffff000000');
  for (const frame of [EMPTY.subarray(2), zstd, compressFrame(emptyBlock(REVISION), 'None')]) {
    const reader = new BufferReader(Buffer.concat([hex('00'), frame]));
    t.is(await skipClientData(reader, ENCODING), 'end');
  }
  const later = hex('00 2f52a1ea36f369c4298e958c545f01d882160000000c000000c0010002ffffffff0300000000');
  t.is(await skipClientData(new BufferReader(later), { revision: 54488, isCompressed: true }), 'end');
});

test('a query after a block that an INSERT left unfinished is seen as one', async (t) => {
  const query = hex('0100 010000 0f3132372e302e302e313a3431363236 000000000000000001 00');
  for (const first of [hex('01'), hex('0401'), hex('0301')]) {
    const reader = new BufferReader(packet(compressFrame(Buffer.alloc(50), 'LZ4')), Buffer.concat([first, query.subarray(1)]));
    await reader.u8();
    await skipClientData(reader, ENCODING);
    t.is(await reader.u8(), first.readUInt8(0));
  }
});
