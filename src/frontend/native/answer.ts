import { ClickHouseException } from '../../errors.ts';
import { changeTableColumns, readException, SERVER_PACKETS, skipServerPacket, type BlockEncoding } from '../../protocol/index.ts';
import type { Flow } from './flow.ts';
import { exceptionPacket, renamedException } from './respond.ts';

/** How the answer to a query ended; `unfollowed`: it turned out to be a result with rows, which passes unseen. */
export type AnswerEnd = 'success' | 'exception' | 'unfollowed';

const END_OF_STREAM = Buffer.from([SERVER_PACKETS.EndOfStream]);

export interface FollowOptions {
  readonly encoding: BlockEncoding;
  /** Give up at the first row: only answers without rows are of interest. */
  readonly stopsAtRows: boolean;
  /** Awaited when the server is done and the client does not know it yet. A ClickHouseException that it throws is the client's answer. */
  readonly beforeEnd: () => Promise<void>;
  /** The words of the server's exception as the client is to read them. */
  readonly shownException?: (text: string) => string;
  /** The server's description of the columns of an INSERT's table as the client is to read it. */
  readonly shownColumns?: (description: string) => string;
}

/**
 * Passes the answer to one query packet by packet, from its first byte to its end, after which bytes pass unseen again.
 * Rejects when a packet cannot be walked: what was not consumed is still there.
 */
export async function followAnswer(server: Flow, options: FollowOptions): Promise<AnswerEnd> {
  server.read();
  for (;;) {
    server.hold();
    const type = await server.varuint();
    if (type === SERVER_PACKETS.EndOfStream) {
      server.drop();
      const failure = await failureOf(options.beforeEnd);
      server.send(failure === undefined ? END_OF_STREAM : exceptionPacket(failure));
      server.relay();
      return 'success';
    }
    if (type === SERVER_PACKETS.Exception && options.shownException !== undefined) {
      server.drop();
      server.send(renamedException(await readException(server), options.shownException));
      server.relay();
      return 'exception';
    }
    if (type === SERVER_PACKETS.TableColumns && options.shownColumns !== undefined) {
      server.drop();
      server.send(await changeTableColumns(server, options.encoding, options.shownColumns));
      continue;
    }
    server.pass();
    const shape = await skipServerPacket(server, type, options.encoding);
    if (
      type !== SERVER_PACKETS.Exception &&
      !(options.stopsAtRows && type === SERVER_PACKETS.Data && shape !== undefined && shape.rows > 0)
    )
      continue;
    server.relay();
    return type === SERVER_PACKETS.Exception ? 'exception' : 'unfollowed';
  }
}

async function failureOf(beforeEnd: () => Promise<void>): Promise<ClickHouseException | undefined> {
  try {
    await beforeEnd();
    return undefined;
  } catch (error) {
    if (error instanceof ClickHouseException) return error;
    throw error;
  }
}
