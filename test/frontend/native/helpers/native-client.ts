import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import {
  ByteReader,
  ByteWriter,
  CLIENT_PACKETS,
  compressFrame,
  emptyBlock,
  EndOfBytes,
  hasFeature,
  readException,
  readRows,
  readServerHello,
  SERVER_PACKETS,
  skipServerPacket,
  writeClientHello,
  type ExceptionPacket,
} from '../../../../src/protocol/index.ts';

export interface ClientOptions {
  readonly revision?: number;
  readonly isCompressed?: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  /** Sends every byte by itself. */
  readonly isByteByByte?: boolean;
}

export interface QueryOptions {
  readonly settings?: Readonly<Record<string, string>>;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly queryId?: string;
  /** Data packets between the Query and the empty block. */
  readonly tables?: Buffer;
  /** How far the server goes with it; 2, to the end, when absent. */
  readonly stage?: number;
  /** As another server sends it on behalf of a query of its own. */
  readonly isSecondary?: boolean;
}

type Rows = readonly (readonly string[])[];

/** The server wants no rows: it answered an exception. */
export class InsertRefused extends Error {
  readonly exception: ExceptionPacket;

  constructor(exception: ExceptionPacket) {
    super(exception.message);
    this.exception = exception;
  }
}

/** What came back for one query. */
export interface NativeAnswer {
  /** The packets' numbers in order, without ProfileEvents and Progress, which come by time. */
  readonly packets: readonly number[];
  readonly rows: Rows;
  readonly totals: Rows;
  /** Minima, then maxima. */
  readonly extremes: Rows;
  readonly exception: ExceptionPacket | undefined;
}

class SocketReader extends ByteReader {
  readonly #pieces: AsyncIterator<Buffer>;

  constructor(socket: Socket) {
    super();
    this.#pieces = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  protected override async nextChunk(): Promise<Buffer> {
    const next = await this.#pieces.next().catch(() => ({ done: true as const, value: undefined }));
    if (next.done === true) throw new EndOfBytes('the server closed the connection');
    return next.value;
  }
}

/** A client of the native protocol at any revision, as far as tests need one. */
export class NativeClient {
  readonly socket: Socket;
  readonly reader: ByteReader;
  readonly #options: ClientOptions;
  readonly #announced: number;
  revision: number;

  constructor(socket: Socket, options: ClientOptions) {
    this.socket = socket;
    this.reader = new SocketReader(socket);
    this.#options = options;
    this.#announced = options.revision ?? 54488;
    this.revision = this.#announced;
  }

  get isCompressed(): boolean {
    return this.#options.isCompressed ?? false;
  }

  async send(bytes: Buffer): Promise<void> {
    if (this.#options.isByteByByte !== true) {
      this.socket.write(bytes);
      return;
    }
    for (const byte of bytes) {
      this.socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
  }

  helloBytes(): Buffer {
    const { user = 'default', password = '', database = '' } = this.#options;
    return writeClientHello({
      name: Buffer.from('test client'),
      majorVersion: 26,
      minorVersion: 7,
      revision: this.#announced,
      database: Buffer.from(database),
      user: Buffer.from(user),
      password: Buffer.from(password),
    });
  }

  /** Answers the exception when the server does not let the client in. */
  async logIn(): Promise<ExceptionPacket | undefined> {
    await this.send(this.helloBytes());
    const type = await this.reader.u8();
    if (type === SERVER_PACKETS.Exception) return readException(this.reader);
    const hello = await readServerHello(this.reader, Math.min(this.#announced, 54488));
    this.revision = Math.min(this.#announced, hello.revision);
    await this.send(this.addendumBytes());
    return undefined;
  }

  addendumBytes(): Buffer {
    const writer = new ByteWriter();
    if (hasFeature(this.revision, 'quota key in addendum')) writer.string('');
    if (hasFeature(this.revision, 'chunked framing')) writer.string('notchunked').string('notchunked');
    if (hasFeature(this.revision, 'parallel replicas version')) writer.varuint(8);
    return writer.bytes();
  }

  queryBytes(sql: string | Buffer, options: QueryOptions = {}): Buffer {
    const { settings = {}, parameters = {}, queryId = '', tables = Buffer.alloc(0), stage = 2, isSecondary = false } = options;
    const has = (feature: Parameters<typeof hasFeature>[1]): boolean => hasFeature(this.revision, feature);
    const writer = new ByteWriter().varuint(CLIENT_PACKETS.Query).string(queryId).raw(this.#clientInfo(isSecondary));
    for (const [name, value] of Object.entries(settings)) writer.string(name).varuint(0).string(value);
    writer.string('');
    if (has('interserver roles')) writer.string('');
    if (has('interserver secret')) writer.string('');
    writer
      .varuint(stage)
      .varuint(this.isCompressed ? 1 : 0)
      .string(sql);
    if (has('query parameters')) {
      for (const [name, value] of Object.entries(parameters)) writer.string(name).varuint(2).string(value);
      writer.string('');
    }
    return writer
      .raw(tables)
      .raw(this.dataBytes(emptyBlock(this.revision)))
      .bytes();
  }

  #clientInfo(isSecondary: boolean): Buffer {
    const has = (feature: Parameters<typeof hasFeature>[1]): boolean => hasFeature(this.revision, feature);
    const writer = new ByteWriter()
      .u8(isSecondary ? 2 : 1)
      .string('')
      .string('')
      .string('0.0.0.0:0');
    if (has('query start time')) writer.raw(Buffer.alloc(8));
    writer.u8(1).string('').string('host').string('test client').varuint(26).varuint(7).varuint(this.#announced);
    if (has('quota key in client info')) writer.string('');
    if (has('distributed depth')) writer.varuint(0);
    if (has('version patch')) writer.varuint(2);
    if (has('open telemetry')) writer.u8(0);
    if (has('parallel replicas')) writer.raw(Buffer.alloc(3));
    if (has('script position')) writer.raw(Buffer.alloc(2));
    if (has('JWT in client info')) writer.u8(0);
    if (has('client agent')) writer.string('');
    if (has('internal query flag')) writer.u8(0);
    if (has('current roles')) writer.u8(0);
    return writer.bytes();
  }

  /** A Data packet with this block. */
  dataBytes(block: Buffer, name = ''): Buffer {
    return new ByteWriter()
      .varuint(CLIENT_PACKETS.Data)
      .string(name)
      .raw(this.isCompressed ? compressFrame(block, 'LZ4') : block)
      .bytes();
  }

  /** A block of one column, its values as they stand on the wire. */
  blockOf(name: string, type: string, rows: number, values: Buffer): Buffer {
    const writer = new ByteWriter().raw(emptyBlock(this.revision).subarray(0, -2)).varuint(1).varuint(rows).string(name).string(type);
    if (hasFeature(this.revision, 'column serialization kinds')) writer.u8(0);
    return writer.raw(values).bytes();
  }

  async query(sql: string | Buffer, options: QueryOptions = {}): Promise<NativeAnswer> {
    await this.send(this.queryBytes(sql, options));
    return this.readAnswer();
  }

  /** Sends a query and waits until the server wants its rows. Rejects with `InsertRefused`. */
  async beginInsert(sql: string | Buffer, options: QueryOptions = {}): Promise<void> {
    await this.send(this.queryBytes(sql, options));
    for (;;) {
      const type = await this.reader.varuint();
      if (type === SERVER_PACKETS.Exception) throw new InsertRefused(await readException(this.reader));
      await skipServerPacket(this.reader, type, this.#encoding());
      if (type === SERVER_PACKETS.Data) return;
    }
  }

  async endInsert(): Promise<NativeAnswer> {
    await this.send(this.dataBytes(emptyBlock(this.revision)));
    return this.readAnswer();
  }

  async readAnswer(): Promise<NativeAnswer> {
    const packets: number[] = [];
    const [rows, totals, extremes]: [string[][], string[][], string[][]] = [[], [], []];
    const tables = new Map<number, string[][]>([
      [SERVER_PACKETS.Data, rows],
      [SERVER_PACKETS.Totals, totals],
      [SERVER_PACKETS.Extremes, extremes],
    ]);
    for (;;) {
      const type = await this.reader.varuint();
      if (type !== SERVER_PACKETS.ProfileEvents && type !== SERVER_PACKETS.Progress) packets.push(type);
      if (type === SERVER_PACKETS.Exception) return { packets, rows, totals, extremes, exception: await readException(this.reader) };
      if (type === SERVER_PACKETS.EndOfStream) return { packets, rows, totals, extremes, exception: undefined };
      const table = tables.get(type);
      if (table === undefined) {
        await skipServerPacket(this.reader, type, this.#encoding());
        continue;
      }
      await this.reader.skipString();
      for (const row of (await readRows(this.reader, this.#encoding())).values) table.push(row);
    }
  }

  #encoding(): { revision: number; isCompressed: boolean } {
    return { revision: this.revision, isCompressed: this.isCompressed };
  }
}

/** A connection that is not logged in yet; closed when the test ends. */
export async function useConnection(t: ExecutionContext, port: number, options: ClientOptions = {}): Promise<NativeClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return new NativeClient(socket, options);
}

/** A client that is logged in. */
export async function useNativeClient(t: ExecutionContext, port: number, options: ClientOptions = {}): Promise<NativeClient> {
  const client = await useConnection(t, port, options);
  t.is(await client.logIn(), undefined);
  return client;
}
