import { skipBlock, type BlockEncoding } from '../block.ts';
import { FRAME_HEADER_BYTES, hasRightChecksum, readFrameHeader, type FrameHeader } from '../compression.ts';
import { CLIENT_PACKETS } from '../packet-types.ts';
import { ProtocolError, type ByteReader } from '../reader.ts';
import { hasFeature } from '../revisions.ts';

/** Whether a Data packet was the empty one that ends a sequence of them. */
export type DataKind = 'rows' | 'end';

/**
 * Goes to the end of a client's Data or Scalar packet after its number. Blocks that are not compressed are walked column by column (`UnknownLayout` in
 * the middle of one when that cannot be done); of compressed ones only the heads of frames are read.
 */
export async function skipClientData(reader: ByteReader, encoding: BlockEncoding): Promise<DataKind> {
  await reader.skipString();
  if (encoding.isCompressed) return skipFrames(reader, encoding.revision);
  const { columns, rows } = await skipBlock(reader, encoding);
  return columns === 0 && rows === 0 ? 'end' : 'rows';
}

/** The block without columns and rows, in bytes: no block with a column is as small. */
function emptyBlockBytes(revision: number): number {
  return hasFeature(revision, 'out-of-order buckets') ? 12 : 10;
}

/** A block is one or more frames and nothing says how many: after each one, what follows shows whether it was the last. */
async function skipFrames(reader: ByteReader, revision: number): Promise<DataKind> {
  for (let isFirst = true; ; isFirst = false) {
    await reader.want(FRAME_HEADER_BYTES);
    const header = readFrameHeader(reader.chunk, reader.at);
    if (header === undefined) throw new ProtocolError('expected a compressed frame');
    await reader.skip(header.frameBytes);
    if (isFirst && header.decompressedBytes === emptyBlockBytes(revision)) return 'end';
    if ((await whatFollows(reader)) === 'packet') return 'rows';
  }
}

const LAST_CLIENT_PACKET = CLIENT_PACKETS.MergeTreeAllRangesAnnouncementResponse;

/**
 * Tells a frame from a packet by the bytes at hand. A frame's first 16 bytes are a checksum and may look like anything, so the bytes of a packet
 * may fit a frame, too (about 1 in 80 without looking at sizes). Where both could be, the checksum of the shorter one decides; a packet other than
 * Data that fits a frame is taken for one: 1 in a million of the clients that leave an INSERT half done after an error.
 */
async function whatFollows(reader: ByteReader): Promise<'frame' | 'packet'> {
  await reader.want(1);
  if ((reader.chunk[reader.at] ?? 0) > LAST_CLIENT_PACKET) return 'frame';
  await wantWithoutHoldingCancel(reader, FRAME_HEADER_BYTES);
  const frame = readFrameHeader(reader.chunk, reader.at);
  if (frame === undefined) return 'packet';
  if (reader.chunk[reader.at] !== CLIENT_PACKETS.Data) return 'frame';
  const nameBytes = reader.chunk[reader.at + 1] ?? 0;
  const dataAt = 2 + nameBytes;
  if (nameBytes >= 0x80) return 'frame';
  // A frame that ends before the packet's could even begin: waiting for the latter could be for ever.
  if (frame.frameBytes <= dataAt + FRAME_HEADER_BYTES) return (await isFrame(reader, frame)) ? 'frame' : 'packet';
  await reader.want(dataAt + FRAME_HEADER_BYTES);
  const data = readFrameHeader(reader.chunk, reader.at + dataAt);
  return data === undefined ? 'frame' : decideByChecksum(reader, frame, data, dataAt);
}

/** Both readings lie within what the client sends without waiting for an answer, so the shorter one always arrives whole. */
async function decideByChecksum(reader: ByteReader, frame: FrameHeader, data: FrameHeader, dataAt: number): Promise<'frame' | 'packet'> {
  const dataEnd = dataAt + data.frameBytes;
  const isFrameShorter = frame.frameBytes <= dataEnd;
  // So much is not waited for: it would have to be held, and its checksum takes the time of others. A packet without a name looks like a frame in some thousands, a
  // frame like such a packet once in millions.
  if (Math.min(frame.frameBytes, dataEnd) > MOST_HELD_BYTES) return dataAt === 2 ? 'packet' : 'frame';
  await reader.want(Math.min(frame.frameBytes, dataEnd));
  const at = reader.at + (isFrameShorter ? 0 : dataAt);
  const end = reader.at + (isFrameShorter ? frame.frameBytes : dataEnd);
  const isRight = hasRightChecksum(reader.chunk.subarray(at, end));
  return isRight === isFrameShorter ? 'frame' : 'packet';
}

const MOST_HELD_BYTES = 4 * 1024 * 1024;

async function isFrame(reader: ByteReader, { frameBytes }: FrameHeader): Promise<boolean> {
  await reader.want(frameBytes);
  return hasRightChecksum(reader.chunk.subarray(reader.at, reader.at + frameBytes));
}

/** A Cancel or Ping at the end of what was sent is passed on at once, although more bytes are needed to be sure that it is one. */
async function wantWithoutHoldingCancel(reader: ByteReader, count: number): Promise<void> {
  while (reader.available < count) {
    let released = 0;
    while (isCancelOrPing(reader.chunk[reader.at + released])) released += 1;
    reader.release(released);
    await reader.more();
  }
}

function isCancelOrPing(byte: number | undefined): boolean {
  return byte === CLIENT_PACKETS.Cancel || byte === CLIENT_PACKETS.Ping;
}
