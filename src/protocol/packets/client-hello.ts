import type { ByteReader } from '../reader.ts';
import { CLIENT_PACKETS } from '../packet-types.ts';
import { ByteWriter } from '../writer.ts';

/** The user names that ask for another way of login than by password. Compared literally, blanks included. */
export const INTERSERVER_USER = ' INTERSERVER SECRET ';
export const SSH_KEY_PREFIX = ' SSH KEY AUTHENTICATION ';

/** The client's first packet. Never log one: it holds the password. */
export interface ClientHello {
  readonly name: Buffer;
  readonly majorVersion: number;
  readonly minorVersion: number;
  readonly revision: number;
  readonly database: Buffer;
  readonly user: Buffer;
  readonly password: Buffer;
  /** Only when the user is `INTERSERVER_USER`. */
  readonly interserver?: { readonly cluster: Buffer; readonly salt: Buffer };
}

const MAX_NAME_BYTES = 64 * 1024;

/** Reads what follows the packet's number. */
export async function readClientHello(reader: ByteReader): Promise<ClientHello> {
  const hello = {
    name: await copy(reader),
    majorVersion: await reader.varuint(),
    minorVersion: await reader.varuint(),
    revision: await reader.varuint(),
    database: await copy(reader),
    user: await copy(reader),
    password: await copy(reader),
  };
  if (hello.user.toString() !== INTERSERVER_USER || hello.password.length > 0) return hello;
  return { ...hello, interserver: { cluster: await copy(reader), salt: await copy(reader) } };
}

/** The whole packet. */
export function writeClientHello(hello: ClientHello): Buffer {
  const writer = new ByteWriter()
    .varuint(CLIENT_PACKETS.Hello)
    .string(hello.name)
    .varuint(hello.majorVersion)
    .varuint(hello.minorVersion)
    .varuint(hello.revision)
    .string(hello.database)
    .string(hello.user)
    .string(hello.password);
  if (hello.interserver !== undefined) writer.string(hello.interserver.cluster).string(hello.interserver.salt);
  return writer.bytes();
}

async function copy(reader: ByteReader): Promise<Buffer> {
  return Buffer.from(await reader.stringBytes(MAX_NAME_BYTES));
}
