import { CLIENT_PACKETS } from '../packet-types.ts';
import { ProtocolError, type ByteReader } from '../reader.ts';

/** Goes to the end of a client's packet that is neither Hello, Query nor Data, after its number. */
export async function skipOtherClientPacket(reader: ByteReader, type: number): Promise<void> {
  switch (type) {
    case CLIENT_PACKETS.Cancel:
    case CLIENT_PACKETS.Ping:
    case CLIENT_PACKETS.KeepAlive:
      return;
    case CLIENT_PACKETS.TablesStatusRequest:
      for (let tables = await reader.varuint(); tables > 0; tables -= 1) {
        await reader.skipString();
        await reader.skipString();
      }
      return;
    case CLIENT_PACKETS.IgnoredPartUUIDs:
      return reader.skip(16 * (await reader.varuint()));
    default:
      throw new ProtocolError(`unexpected packet ${type} from the client`);
  }
}
