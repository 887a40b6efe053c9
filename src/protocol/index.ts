export { emptyBlock, readRows, skipBlock, type Block, type BlockEncoding } from './block.ts';
export { cityHash128 } from './city-hash.ts';
export { layoutOf, UnknownLayout, type Layout } from './columns/layout.ts';
export { isReadable } from './columns/read.ts';
export { compressFrame, decompressFrame, FRAME_HEADER_BYTES, readFrameHeader, type CompressionMethod } from './compression.ts';
export { CLIENT_PACKETS, SERVER_PACKETS } from './packet-types.ts';
export { skipAddendum } from './packets/addendum.ts';
export { skipClientData, type DataKind } from './packets/client-data.ts';
export { INTERSERVER_USER, readClientHello, SSH_KEY_PREFIX, writeClientHello, type ClientHello } from './packets/client-hello.ts';
export { readException, writeException, type ExceptionPacket } from './packets/exception.ts';
export { writeLog } from './packets/log.ts';
export { skipOtherClientPacket } from './packets/other-client-packets.ts';
export {
  DEFAULT_MAX_QUERY_BYTES,
  ownQuery,
  patchClientRevision,
  readQueryHead,
  skipQueryTail,
  STAGE_COMPLETE,
  withText,
  withTextOf,
  type AddedSettings,
  type QueryHead,
  type ReadQuery,
} from './packets/query.ts';
export { readServerHello, writeServerHello, type ServerHello } from './packets/server-hello.ts';
export { changeTableColumns, skipServerPacket, writeNoProgress } from './packets/server-packet.ts';
export { BufferReader, ByteReader, EndOfBytes, ProtocolError } from './reader.ts';
export { hasFeature, MAX_REVISION, type Feature } from './revisions.ts';
export { ByteWriter } from './writer.ts';
