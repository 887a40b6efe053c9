import { ClickHouseException, clickhouseError } from '../../errors.ts';
import {
  ByteWriter,
  CLIENT_PACKETS,
  emptyBlock,
  EndOfBytes,
  isReadable,
  ownQuery,
  readException,
  readRows,
  SERVER_PACKETS,
  skipBlock,
  skipServerPacket,
  type ReadQuery,
} from '../../protocol/index.ts';
import type { ClientSession } from '../../query/index.ts';
import type { Flow } from './flow.ts';
import { fromPacket } from './respond.ts';

/** The two directions of a client's connection, and the revision it speaks. */
export interface Wires {
  readonly client: Flow;
  readonly server: Flow;
  readonly revision: number;
  /** Called when the server has said what cannot be read: nobody knows where that ends, so the connection to it must. */
  readonly giveUp: (error: unknown) => void;
}

/**
 * The client that sent `query`, while its query is held back: helper queries run on its own connection to the server, which is idle then. So the
 * current database, temporary tables, settings and roles are the session's, whatever way of login the client used; answers never reach the client.
 */
export function createClientSession(wires: Wires, query: ReadQuery): ClientSession {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = async (sql: string, keepsSettings: boolean): Promise<string[][]> => {
    const answer = last.then(async () => ask(wires, (text) => ownQuery(query, wires.revision, text, keepsSettings), sql));
    last = answer.catch(() => undefined);
    return answer;
  };
  return {
    setting: (name) => query.head.settings.values.get(name),
    mayHaveTemporaryTables: true,
    // They come behind the query.
    brings: () => false,
    whileHere: async (work) => wires.client.whileOpen(work),
    query: async (sql) => inTurn(sql, false),
    run: async (sql) => inTurn(sql, true),
  };
}

/** What the server has against the settings of `query`, at which it looks before the statement; undefined when they are good. */
export async function refusalOfSettings(wires: Wires, query: ReadQuery): Promise<ClickHouseException | undefined> {
  try {
    await exchange(wires, ownQuery(query, wires.revision, 'SELECT 1', true));
    return undefined;
  } catch (error) {
    if (error instanceof ClickHouseException) return error;
    throw error;
  }
}

async function ask(wires: Wires, packetOf: (sql: string) => Buffer, sql: string): Promise<string[][]> {
  try {
    const answer = await exchange(wires, packetOf(sql));
    if (answer.isReadable) return answer.rows;
    // Types that are not read here are turned into text by the server.
    const asText = await exchange(wires, packetOf(`SELECT * APPLY(toString) FROM (${sql})`));
    if (!asText.isReadable)
      throw clickhouseError('CANNOT_CONVERT_TYPE', 'A helper query of the gateway selects a type that it cannot read');
    return asText.rows;
  } catch (error) {
    if (!(error instanceof EndOfBytes)) throw error;
    throw clickhouseError('NETWORK_ERROR', 'ClickHouse closed the connection', { cause: error });
  }
}

interface HelperAnswer {
  readonly isReadable: boolean;
  readonly rows: string[][];
}

async function exchange(wires: Wires, packet: Buffer): Promise<HelperAnswer> {
  try {
    return await exchangePackets(wires, packet);
  } catch (error) {
    if (error instanceof ClickHouseException || error instanceof EndOfBytes) throw error;
    wires.giveUp(error);
    throw clickhouseError('NETWORK_ERROR', 'The gateway cannot read the answer of ClickHouse, see its log', { cause: error });
  }
}

async function exchangePackets({ client, server, revision }: Wires, packet: Buffer): Promise<HelperAnswer> {
  client.send(Buffer.concat([packet, emptyDataPacket(revision)]));
  const encoding = { revision, isCompressed: false };
  const rows: string[][] = [];
  let canRead = true;
  server.read();
  for (;;) {
    server.hold();
    const type = await server.varuint();
    if (isAnswerToEarlierPacket(type)) {
      server.pass();
      await skipServerPacket(server, type, encoding);
      continue;
    }
    server.drop();
    switch (type) {
      case SERVER_PACKETS.Data: {
        await server.skipString();
        if (canRead) canRead = await readBlock();
        else await skipBlock(server, encoding);
        break;
      }
      case SERVER_PACKETS.Exception: {
        const exception = fromPacket(await readException(server));
        server.relay();
        throw exception;
      }
      case SERVER_PACKETS.EndOfStream:
        server.relay();
        return { isReadable: canRead, rows };
      default:
        await skipServerPacket(server, type, encoding);
    }
  }

  /** The first block has no rows and says the types, before any value must be read. */
  async function readBlock(): Promise<boolean> {
    const { columns, values } = await readRows(server, encoding);
    rows.push(...values);
    return columns.every(({ type }) => isReadable(type));
  }
}

/** A Ping sent right before the query that is held back is answered now. */
function isAnswerToEarlierPacket(type: number): boolean {
  return type === SERVER_PACKETS.Pong || type === SERVER_PACKETS.TablesStatusResponse;
}

function emptyDataPacket(revision: number): Buffer {
  return new ByteWriter().varuint(CLIENT_PACKETS.Data).string('').raw(emptyBlock(revision)).bytes();
}
