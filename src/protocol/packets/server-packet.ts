import { skipBlock, type BlockEncoding, type BlockSize } from '../block.ts';
import { compressFrame, FrameReader } from '../compression.ts';
import { SERVER_PACKETS } from '../packet-types.ts';
import { ProtocolError, type ByteReader } from '../reader.ts';
import { hasFeature } from '../revisions.ts';
import { ByteWriter } from '../writer.ts';
import { readException } from './exception.ts';

/**
 * Goes to the end of a packet of the server after its number `type`; answers the size of the block in it, if it holds one.
 * Rejects with `UnknownLayout` when a column cannot be walked.
 */
export async function skipServerPacket(reader: ByteReader, type: number, encoding: BlockEncoding): Promise<BlockSize | undefined> {
  const { revision } = encoding;
  switch (type) {
    case SERVER_PACKETS.Data:
    case SERVER_PACKETS.Totals:
    case SERVER_PACKETS.Extremes:
      await reader.skipString();
      return skipBlock(reader, encoding);
    case SERVER_PACKETS.Log:
    case SERVER_PACKETS.ProfileEvents:
      await reader.skipString();
      return skipBlock(reader, withLogCompression(encoding));
    case SERVER_PACKETS.TableColumns:
      await skipTableColumns(reader, encoding);
      return undefined;
    case SERVER_PACKETS.Exception:
      await readException(reader);
      return undefined;
    case SERVER_PACKETS.Progress:
      await skipProgress(reader, revision);
      return undefined;
    case SERVER_PACKETS.ProfileInfo:
      await skipProfileInfo(reader, revision);
      return undefined;
    case SERVER_PACKETS.TimezoneUpdate:
      await reader.skipString();
      return undefined;
    case SERVER_PACKETS.TablesStatusResponse:
      await skipTablesStatus(reader, revision);
      return undefined;
    case SERVER_PACKETS.PartUUIDs:
      await reader.skip(16 * (await reader.varuint()));
      return undefined;
    case SERVER_PACKETS.Pong:
    case SERVER_PACKETS.EndOfStream:
      return undefined;
    default:
      throw new ProtocolError(`unexpected packet ${type} from the server`);
  }
}

function withLogCompression(encoding: BlockEncoding): BlockEncoding {
  const isCompressed = encoding.isCompressed && hasFeature(encoding.revision, 'compressed logs and profile events');
  return { ...encoding, isCompressed };
}

async function skipTableColumns(reader: ByteReader, encoding: BlockEncoding): Promise<void> {
  const source = withLogCompression(encoding).isCompressed ? new FrameReader(reader) : reader;
  await source.skipString();
  await source.skipString(MAX_DESCRIPTION_BYTES);
}

/** The whole TableColumns packet with its description changed, after its number was read. */
export async function changeTableColumns(reader: ByteReader, encoding: BlockEncoding, change: (text: string) => string): Promise<Buffer> {
  const { isCompressed } = withLogCompression(encoding);
  const source = isCompressed ? new FrameReader(reader) : reader;
  const table = await source.string();
  const description = await source.string(MAX_DESCRIPTION_BYTES);
  const strings = new ByteWriter().string(table).string(change(description)).bytes();
  return new ByteWriter()
    .varuint(SERVER_PACKETS.TableColumns)
    .raw(isCompressed ? compressFrame(strings, 'LZ4') : strings)
    .bytes();
}

const MAX_DESCRIPTION_BYTES = 64 * 1024 * 1024;

async function skipProgress(reader: ByteReader, revision: number): Promise<void> {
  // Rows, bytes, total rows; later total bytes, written rows and written bytes, time.
  await reader.skipVaruints(3);
  if (hasFeature(revision, 'total bytes in progress')) await reader.skipVaruints(1);
  if (hasFeature(revision, 'written rows in progress')) await reader.skipVaruints(2);
  if (hasFeature(revision, 'elapsed in progress')) await reader.skipVaruints(1);
}

/** A Progress packet that tells of none, for a client that waits for the end of an answer. Undefined for those that expect nothing but the end of an INSERT then. */
export function writeNoProgress(revision: number): Buffer | undefined {
  if (!hasFeature(revision, 'profile events in INSERT')) return undefined;
  const numbers =
    3 +
    (hasFeature(revision, 'total bytes in progress') ? 1 : 0) +
    (hasFeature(revision, 'written rows in progress') ? 2 : 0) +
    (hasFeature(revision, 'elapsed in progress') ? 1 : 0);
  return Buffer.from([SERVER_PACKETS.Progress, ...Array.from({ length: numbers }, () => 0)]);
}

async function skipProfileInfo(reader: ByteReader, revision: number): Promise<void> {
  // Rows, blocks, bytes; whether a limit was applied, rows before it.
  await reader.skipVaruints(3);
  await reader.u8();
  await reader.varuint64();
  await reader.u8();
  if (!hasFeature(revision, 'aggregation in profile info')) return;
  await reader.u8();
  await reader.varuint64();
}

async function skipTablesStatus(reader: ByteReader, revision: number): Promise<void> {
  for (let tables = await reader.varuint(); tables > 0; tables -= 1) {
    await reader.skipString();
    await reader.skipString();
    const isReplicated = (await reader.u8()) !== 0;
    if (!isReplicated) continue;
    await reader.varuint();
    if (hasFeature(revision, 'read-only flag of tables')) await reader.varuint();
  }
}
