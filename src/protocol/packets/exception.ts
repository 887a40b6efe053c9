import { SERVER_PACKETS } from '../packet-types.ts';
import type { ByteReader } from '../reader.ts';
import { ByteWriter } from '../writer.ts';

/** An Exception packet's fields; the stack trace is left out. */
export interface ExceptionPacket {
  readonly code: number;
  /** `DB::Exception`. */
  readonly className: string;
  /** Begins with the class name: `DB::Exception: Table t does not exist`. */
  readonly message: string;
}

const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Reads what follows the packet's number; of nested exceptions only the first. */
export async function readException(reader: ByteReader): Promise<ExceptionPacket> {
  const first = await readOne(reader);
  for (let { isNested } = first; isNested;) ({ isNested } = await readOne(reader));
  return { code: first.code, className: first.className, message: first.message };
}

async function readOne(reader: ByteReader): Promise<ExceptionPacket & { readonly isNested: boolean }> {
  const code = await reader.i32();
  const className = await reader.string();
  const message = await reader.string(MAX_MESSAGE_BYTES);
  await reader.skipString(MAX_MESSAGE_BYTES);
  return { code, className, message, isNested: (await reader.u8()) !== 0 };
}

/** The whole packet; it is never compressed, and the same at every revision. */
export function writeException({ code, className, message }: ExceptionPacket): Buffer {
  return new ByteWriter().varuint(SERVER_PACKETS.Exception).i32(code).string(className).string(message).string('').u8(0).bytes();
}
