import { SERVER_PACKETS } from '../packet-types.ts';
import { ProtocolError, type ByteReader } from '../reader.ts';
import { hasFeature } from '../revisions.ts';
import { ByteWriter } from '../writer.ts';

/** The server's answer to a good login, as far as it is looked at; the rest is kept as it came. */
export interface ServerHello {
  readonly name: Buffer;
  readonly majorVersion: number;
  readonly minorVersion: number;
  /** The server's own newest revision, whatever the client said. */
  readonly revision: number;
  /** What stands before the framing, as it came: time zone, display name and the like. */
  readonly identity: Buffer;
  /** How the server wants to send and to receive: `chunked`, `notchunked`, or either with `_optional`. Absent below revision 54470. */
  readonly framing?: { readonly send: string; readonly receive: string };
  /** Password rules, nonce, settings, versions, as they came. */
  readonly rest: Buffer;
}

const MAX_PASSWORD_RULES = 256;

/**
 * Reads what follows the packet's number. Which fields there are depends on `announced`, the revision that the server was told, and on the server's own: it sends
 * none that it does not know.
 */
export async function readServerHello(reader: ByteReader, announced: number): Promise<ServerHello> {
  const name = Buffer.from(await reader.stringBytes());
  const majorVersion = await reader.varuint();
  const minorVersion = await reader.varuint();
  const revision = await reader.varuint();
  const known = Math.min(announced, revision);
  const identity = await readIdentity(reader, known);
  const framing = hasFeature(known, 'chunked framing') ? { send: await reader.string(), receive: await reader.string() } : undefined;
  const rest = await readRest(reader, known);
  return { name, majorVersion, minorVersion, revision, identity, ...(framing && { framing }), rest };
}

async function readIdentity(reader: ByteReader, known: number): Promise<Buffer> {
  const copy = new ByteWriter();
  if (hasFeature(known, 'parallel replicas version')) copy.varuint(await reader.varuint());
  if (hasFeature(known, 'server timezone')) copy.string(Buffer.from(await reader.stringBytes()));
  if (hasFeature(known, 'server display name')) copy.string(Buffer.from(await reader.stringBytes()));
  if (hasFeature(known, 'version patch')) copy.varuint(await reader.varuint());
  return copy.bytes();
}

async function readRest(reader: ByteReader, known: number): Promise<Buffer> {
  const copy = new ByteWriter();
  const string = async (): Promise<number> => {
    const bytes = Buffer.from(await reader.stringBytes());
    copy.string(bytes);
    return bytes.length;
  };
  if (hasFeature(known, 'password rules')) {
    const rules = await reader.varuint();
    if (rules > MAX_PASSWORD_RULES) throw new ProtocolError('the server has too many password rules');
    copy.varuint(rules);
    for (let i = 0; i < 2 * rules; i += 1) await string();
  }
  if (hasFeature(known, 'interserver nonce')) copy.raw(Buffer.from(await reader.bytes(8)));
  if (hasFeature(known, 'settings in hello')) {
    while ((await string()) > 0) {
      copy.varuint(await reader.varuint());
      await string();
    }
  }
  if (hasFeature(known, 'query plan version')) copy.varuint(await reader.varuint());
  if (hasFeature(known, 'cluster function version')) copy.varuint(await reader.varuint());
  return copy.bytes();
}

/** The whole packet. */
export function writeServerHello(hello: ServerHello): Buffer {
  const writer = new ByteWriter()
    .varuint(SERVER_PACKETS.Hello)
    .string(hello.name)
    .varuint(hello.majorVersion)
    .varuint(hello.minorVersion)
    .varuint(hello.revision)
    .raw(hello.identity);
  if (hello.framing !== undefined) writer.string(hello.framing.send).string(hello.framing.receive);
  return writer.raw(hello.rest).bytes();
}
