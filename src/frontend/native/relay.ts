import type { Socket } from 'node:net';
import { ClickHouseException, clickhouseError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import {
  CLIENT_PACKETS,
  EndOfBytes,
  patchClientRevision,
  ProtocolError,
  readQueryHead,
  SERVER_PACKETS,
  skipClientData,
  skipOtherClientPacket,
  skipQueryTail,
  STAGE_COMPLETE,
  UnknownLayout,
  withText,
  withTextOf,
  writeNoProgress,
  type BlockEncoding,
  type QueryHead,
  type ReadQuery,
} from '../../protocol/index.ts';
import type { Action, ClientSession, Dispatcher, OnAnswer } from '../../query/index.ts';
import { statementLimitBytes, StatementShare, type StatementMemory } from '../statement-memory.ts';
import { followAnswer, type AnswerEnd } from './answer.ts';
import { NothingCame, type Flow } from './flow.ts';
import type { Login } from './handshake.ts';
import { exceptionPacket, noticePacket } from './respond.ts';
import { createClientSession, refusalOfSettings, type Wires } from './session.ts';
import {
  classifyText,
  decodeUtf8,
  enlargedQuerySize,
  INSERT_HEAD_BYTES,
  isInsert,
  isRead,
  maxQuerySize,
  mayBeInsert,
  peekText,
  raisedQuerySize,
} from './statement.ts';

/** How much of statements is held, and for how long. */
export interface StatementLimits {
  readonly memory: StatementMemory;
  readonly maxStatementBytes: number;
  /** How long the next piece of what is held, or of the blocks behind a refused statement, may take to come, in milliseconds. */
  readonly receiveTimeoutMs: number;
}

export interface RelayOptions {
  readonly client: Flow;
  readonly login: Login;
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
  /** How long a client that waits for the end of an answer is left without a sign of life, in milliseconds. */
  readonly signOfLifeMs: number;
  readonly limits: StatementLimits;
}

const PONG = Buffer.from([SERVER_PACKETS.Pong]);
const SECONDARY_QUERY = 2;
const BINARY_TYPES = 'input_format_native_decode_types_in_binary_format';
const INSERT_START_BYTES = 4096;
/** Settings, above all. */
const MAX_HEAD_BYTES = 16 * 1024 * 1024;

/**
 * What a client says after its login, packet by packet. The states are places in this file:
 *
 *     idle        (`run`) the next packet is awaited; it passes as it comes, except a Query
 *      └ Query    (`#handleQuery`) held back until the dispatcher has seen enough of its text; the answers of helper queries are read meanwhile
 *          ├ forward, run    the packet goes on, as it was or with another text → idle
 *          └ refuse          (`#swallowBlocks`) blocks up to the empty one are dropped, then the exception is sent → idle
 *
 * Data packets are not tied to a state: those of external tables, the empty one after every Query, an INSERT's rows and what an abandoned INSERT still
 * sends all pass in idle, each walked to its end.
 *
 * The server's bytes pass unseen, except in two cases, when `followAnswer` takes them packet by packet until the answer's end:
 * - the action has `after`: it must run between the server's success and the client's knowledge of it;
 * - the query may be an INSERT whose blocks are not compressed: should one of them have a column that cannot be walked (`JSON`, states of aggregate
 *   functions, types that are no names), the client's bytes pass unseen, too (`#passUntilAnswered`), until the answer's end says that the INSERT is over.
 *
 * The protocol has one query at a time. So when a Query packet comes, the client has read the answer to the one before, and the server's
 * direction is between two packets.
 */
export class Relay {
  readonly #client: Flow;
  readonly #server: Flow;
  readonly #revision: number;
  readonly #loweredRevision: number | undefined;
  readonly #upstream: Socket;
  readonly #dispatcher: Dispatcher;
  readonly #logger: Logger;
  /**
   * Whether nothing is left to be answered, as far as can be told without reading along: what the server sent last ends like the end of an answer.
   * A false "no" makes a closing gateway wait its grace period, a false "yes" cuts a result that pauses right after a byte that looks like an end.
   */
  isAnswered = true;
  #encoding: BlockEncoding;
  /** The answer that is followed now. */
  #following: Promise<AnswerEnd> | undefined;
  #isTunnel = false;
  /** Whether a Ping passed since the last query. */
  #hasPinged = false;
  /** Whether the query that runs came from another server. */
  #isSecondary = false;
  /** Whether the types in the blocks of the query that runs are no names. */
  #hasBinaryTypes = false;
  readonly #signOfLifeMs: number;
  readonly #limits: StatementLimits;
  /** What the bytes take that are held of a Query packet. */
  readonly #share: StatementShare;
  /** Ends the wait between the server's success and the client's knowledge of it. */
  #wait: AbortController | undefined;

  constructor({ client, login, dispatcher, logger, signOfLifeMs, limits }: RelayOptions) {
    this.#client = client;
    this.#server = login.server;
    this.#upstream = login.upstream;
    this.#revision = login.revision;
    this.#loweredRevision = login.loweredRevision;
    this.#encoding = { revision: login.revision, isCompressed: false };
    this.#dispatcher = dispatcher;
    this.#logger = logger;
    this.#signOfLifeMs = signOfLifeMs;
    this.#limits = limits;
    this.#share = new StatementShare(limits.memory);
    this.#upstream.once('close', () => this.#wait?.abort());
    this.#server.onPass = (piece) => {
      this.isAnswered = endsAnAnswer(piece) ?? this.isAnswered;
    };
  }

  /**
   * Resolves never, but rejects: with `EndOfBytes` when the client or server is gone; with `ProtocolError` for what is no native protocol, or with
   * `UnreadableQuery` when the client can and should be told of it.
   */
  async run(): Promise<never> {
    this.#server.relay();
    for (;;) {
      this.#client.hold();
      const start = this.#client.position;
      const type = await this.#client.varuint();
      if (type === CLIENT_PACKETS.Query) {
        await this.#handleQuery(start);
        continue;
      }
      this.#client.pass();
      if (type === CLIENT_PACKETS.Data || type === CLIENT_PACKETS.Scalar) await this.#passData();
      else if (this.#isSecondary && SERVER_TO_SERVER.has(type)) await this.#tunnel();
      else await skipOtherClientPacket(this.#client, type);
      if (type === CLIENT_PACKETS.Ping) this.#hasPinged = true;
      if (type === CLIENT_PACKETS.Cancel) this.#wait?.abort();
    }
  }

  async #passData(): Promise<void> {
    if (this.#hasBinaryTypes && this.#following !== undefined) return this.#passUntilAnswered(this.#following);
    try {
      await skipClientData(this.#client, this.#encoding);
    } catch (error) {
      if (error instanceof ProtocolError && this.#following !== undefined) await this.#passUntilAnswered(this.#following);
      else throw error instanceof UnknownLayout ? new UnreadableQuery(cannotWalk(error)) : error;
    }
  }

  /** Everything up to the end of the answer belongs to the INSERT that is being answered. After an exception nobody can say where its blocks end. */
  async #passUntilAnswered(answer: Promise<AnswerEnd>): Promise<void> {
    this.#isTunnel = true;
    this.#client.relay();
    const end = await answer;
    if (end === 'success') return;
    this.#upstream.destroy();
    throw new EndOfBytes('an INSERT that could not be followed failed');
  }

  /** Packets of servers among themselves follow: none of them is ours. */
  async #tunnel(): Promise<never> {
    this.#client.relay();
    return new Promise(() => undefined);
  }

  async #handleQuery(start: number): Promise<void> {
    await this.#following;
    this.isAnswered = false;
    try {
      await this.#answerQuery(start);
    } finally {
      this.#share.giveAll();
    }
    this.#hasPinged = false;
  }

  async #answerQuery(start: number): Promise<void> {
    const head = await this.#soon(
      async () => this.#readHead(start),
      (bytes) => this.#takeOfHead(bytes, start),
    );
    this.#encoding = { revision: this.#revision, isCompressed: head.isCompressed };
    this.#isSecondary = head.clientInfo.queryKind === SECONDARY_QUERY;
    this.#hasBinaryTypes = ['1', 'true'].includes(head.settings.values.get(BINARY_TYPES)?.toLowerCase() ?? '');
    const isOurs = await this.#held(async () => this.#isForDispatcher(head));
    if (isOurs) await this.#dispatchStatement(head);
    else await this.#forward(head);
  }

  #takeOfHead(bytes: number, start: number): void {
    this.#share.take(bytes);
    if (this.#client.position - start > MAX_HEAD_BYTES)
      throw new ProtocolError(`more than ${MAX_HEAD_BYTES} bytes in front of the statement`);
  }

  /** Reads what is held meanwhile: it takes memory that others need. */
  async #held<T>(read: () => Promise<T>): Promise<T> {
    return this.#soon(read, (bytes) => this.#share.take(bytes));
  }

  /** Reads what a client sends without waiting for anything. */
  async #soon<T>(read: () => Promise<T>, take: (bytes: number) => void = () => undefined): Promise<T> {
    const { receiveTimeoutMs } = this.#limits;
    this.#client.terms = { mostMs: receiveTimeoutMs, take };
    try {
      return await read();
    } catch (error) {
      if (error instanceof ClickHouseException) throw new UnreadableQuery(error);
      if (!(error instanceof NothingCame)) throw error;
      throw new UnreadableQuery(
        clickhouseError('SOCKET_TIMEOUT', `Timeout exceeded while reading from socket (${receiveTimeoutMs} ms)`, { cause: error }),
      );
    } finally {
      this.#client.terms = undefined;
    }
  }

  /** The server is idle and the client waits for an answer: it can be told what is wrong. */
  async #readHead(start: number): Promise<QueryHead> {
    try {
      return await readQueryHead(this.#client, this.#revision, start);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new UnreadableQuery(
        new ClickHouseException(101, 'UNEXPECTED_PACKET_FROM_CLIENT', `Cannot read the Query packet: ${error.message}`),
      );
    }
  }

  /**
   * Also of a client that wants no complete answer, or is another server: what a statement does is the same. Only of queries the answer then has another
   * shape, which is the server's to make.
   */
  async #isForDispatcher(head: QueryHead): Promise<boolean> {
    const client = this.#client;
    const limitBytes = this.#limitBytes(head);
    const decision = await classifyText(client, head, limitBytes, (text, complete) => this.#dispatcher.classify(text, complete));
    if (decision === 'forward') return false;
    const bytes = head.text.to - head.text.from;
    const start = await peekText(client, Math.min(bytes, INSERT_START_BYTES));
    if (head.stage.value !== STAGE_COMPLETE && isRead(start)) return false;
    return bytes <= limitBytes || isInsert(start);
  }

  /** Sends the packet on as it is; of its text only the beginning has been read. */
  async #forward(head: QueryHead, onAnswer: OnAnswer = {}): Promise<void> {
    const client = this.#client;
    const unread = head.text.to - client.position;
    const start = await peekText(client, Math.min(unread, INSERT_START_BYTES));
    this.#sendHeld(head);
    this.#followIfWanted(onAnswer, !head.isCompressed && mayBeInsert(start));
    await client.skip(unread);
    await skipQueryTail(client, this.#revision);
  }

  #sendHeld(head: QueryHead): void {
    const client = this.#client;
    if (this.#loweredRevision !== undefined) client.send(this.#patched(head, client.takeHeld()));
    client.pass();
    this.#share.giveAll();
  }

  #patched(head: QueryHead, bytes: Buffer): Buffer {
    if (this.#loweredRevision !== undefined) patchClientRevision(head, bytes, this.#loweredRevision);
    return bytes;
  }

  #limitBytes(head: QueryHead): number {
    return statementLimitBytes(maxQuerySize(head), this.#limits.maxStatementBytes);
  }

  async #dispatchStatement(head: QueryHead): Promise<void> {
    const client = this.#client;
    const bytes = head.text.to - head.text.from;
    const isWhole = bytes <= this.#limitBytes(head);
    const statement = await this.#held(async () => (isWhole ? this.#readStatement(bytes) : this.#readStatementHead()));
    const query = { head, bytes: this.#patched(head, client.heldBytes()) };
    const { text, isUtf8 } = decodeUtf8(statement);
    const wires = { client, server: this.#server, revision: this.#revision, giveUp: (error: unknown) => this.#giveUp(error) };
    const session = createClientSession(wires, query);
    const decided = await this.#dispatcher.dispatch(text, session);
    const action = knowingId(checked(decided, { text, isUtf8, statement }), head.id);
    try {
      await this.#act(action, { query, bytes, isWhole, text, wires, session });
    } finally {
      // Where no answer is followed, it is a refusal or a side is gone.
      void whenSettled(this.#following, decided.kind === 'refuse' ? undefined : decided.ended);
    }
  }

  async #readStatement(bytes: number): Promise<Buffer> {
    const statement = Buffer.from(await this.#client.bytes(bytes));
    await skipQueryTail(this.#client, this.#revision);
    return statement;
  }

  /** Not consumed. */
  async #readStatementHead(): Promise<Buffer> {
    const client = this.#client;
    await client.want(INSERT_HEAD_BYTES);
    return client.chunk.subarray(client.at, client.at + INSERT_HEAD_BYTES);
  }

  async #act(action: Action, { query, bytes, isWhole, text, wires, session }: Decided): Promise<void> {
    const client = this.#client;
    const { head } = query;
    switch (action.kind) {
      case 'forward':
        if (!isWhole) return this.#forward(head, action);
        this.#sendHeld(head);
        this.#followIfWanted(action, !head.isCompressed && mayBeInsert(text));
        return;
      case 'run': {
        client.drop();
        const packet = withText(query, this.#revision, action.sql, enlargedQuerySize(head, action.sql));
        client.send(this.#patched(head, packet));
        this.#followIfWanted(action, !head.isCompressed && mayBeInsert(action.sql));
        return;
      }
      case 'replace': {
        const replacedBytes = Buffer.byteLength(text.slice(0, action.length));
        this.#sendWithOtherStart(query, replacedBytes, action);
        if (isWhole) client.send(query.bytes.subarray(head.text.from + replacedBytes - head.start));
        else await client.skip(replacedBytes);
        if (!isWhole) client.pass();
        this.#followIfWanted(action, !head.isCompressed);
        if (isWhole) return;
        await client.skip(bytes - replacedBytes);
        await skipQueryTail(client, this.#revision);
        return;
      }
      case 'refuse': {
        const wrongSettings = hasSettings(head) ? await refusalOfSettings(wires, query) : undefined;
        // The server may close the connection after this one.
        if (wrongSettings !== undefined) this.#server.send(exceptionPacket(wrongSettings));
        else if (this.#hasPinged) await this.#waitForPong(session);
        client.drop();
        await this.#soon(async () => {
          if (!isWhole) {
            await client.skip(bytes);
            await skipQueryTail(client, this.#revision);
          }
          await this.#swallowBlocks();
        });
        if (wrongSettings === undefined) this.#server.send(exceptionPacket(action.exception));
      }
    }
  }

  /** Sends the packet up to the place in its text from which on it stays as it is. */
  #sendWithOtherStart(query: ReadQuery, replacedBytes: number, { start }: Action & { readonly kind: 'replace' }): void {
    const { head } = query;
    const grownBytes = Buffer.byteLength(start) - replacedBytes;
    const bytes = head.text.to - head.text.from + grownBytes;
    const added = raisedQuerySize(head, grownBytes, bytes);
    this.#client.drop();
    const packet = Buffer.concat([withTextOf(query, this.#revision, bytes, added), Buffer.from(start)]);
    this.#client.send(this.#patched(head, packet));
  }

  #giveUp(error: unknown): void {
    this.#logger.error({ err: error }, 'an answer of the server cannot be followed: its connection is closed');
    this.#upstream.destroy();
  }

  /** A Ping sent right before the statement is answered before it: the answer to a query of our own comes after the Pong. */
  async #waitForPong(session: ClientSession): Promise<void> {
    try {
      await session.query('SELECT 1');
    } catch (error) {
      this.#logger.debug({ err: error }, 'the server did not answer between two packets of its client');
    }
  }

  /** Clients send blocks after every Query, the last one empty, without waiting for an answer. */
  async #swallowBlocks(): Promise<void> {
    for (;;) {
      const type = await this.#client.varuint();
      if (type === CLIENT_PACKETS.Data || type === CLIENT_PACKETS.Scalar) {
        if ((await skipClientData(this.#client, this.#encoding)) === 'end') return;
      } else if (type === CLIENT_PACKETS.Ping) {
        this.#server.send(PONG);
      } else {
        await skipOtherClientPacket(this.#client, type);
      }
    }
  }

  #followIfWanted(onAnswer: OnAnswer, isOpenInsert: boolean): void {
    const { after, shownException, ended } = onAnswer;
    if (after === undefined && shownException === undefined && ended === undefined && !isOpenInsert) return;
    const following = this.#follow(onAnswer).finally(() => {
      this.#following = undefined;
    });
    this.#following = following;
    // Whoever needs the outcome awaits it; a broken connection is told by both sockets anyway. Nobody knows where in the answer another fault leaves the server.
    following.catch((error: unknown) => {
      if (!(error instanceof EndOfBytes)) this.#giveUp(error);
    });
  }

  async #follow({ after, notice, shownException, shownColumns, ended }: OnAnswer): Promise<AnswerEnd> {
    let isAfterDue = after !== undefined;
    const runAfter = async (): Promise<void> => {
      if (!isAfterDue) return;
      isAfterDue = false;
      if (after !== undefined) await this.#waitFor(after);
    };
    const beforeEnd = async (): Promise<void> => {
      await runAfter();
      const text = notice?.();
      if (text !== undefined) this.#server.send(noticePacket(text, this.#encoding));
    };
    const options = {
      encoding: this.#encoding,
      stopsAtRows: after === undefined && ended === undefined,
      ...(shownException && { shownException }),
      ...(shownColumns && { shownColumns }),
    };
    try {
      return await followAnswer(this.#server, { ...options, beforeEnd: async () => beforeEnd().finally(() => this.#leaveTunnel()) });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#logger.warn({ err: error }, 'an answer cannot be followed to its end');
      // What it throws cannot be told any more.
      await runAfter().catch(() => undefined);
      this.#server.relay();
      return 'unfollowed';
    }
  }

  /** The client's bytes are packets again. */
  #leaveTunnel(): void {
    if (this.#isTunnel) this.#client.read();
    this.#isTunnel = false;
  }

  /** The server is done, the client waits, and hears something now and then. */
  async #waitFor(after: NonNullable<OnAnswer['after']>): Promise<void> {
    const wait = new AbortController();
    this.#wait = wait;
    const sign = this.#signOfLife();
    const signs = setInterval(() => sign && this.#server.send(sign), this.#signOfLifeMs);
    try {
      await after(wait.signal);
    } catch (error) {
      throw this.#upstream.destroyed ? CLOSED : error;
    } finally {
      clearInterval(signs);
      this.#wait = undefined;
    }
    if (this.#upstream.destroyed) throw CLOSED;
  }

  /** A server that writes to another expects no Progress before 26.7, but always lines of its log. Source: ClickHouse `src/QueryPipeline/RemoteInserter.cpp`. */
  #signOfLife(): Buffer | undefined {
    return this.#isSecondary ? noticePacket('The gateway waits for Kafka', this.#encoding) : writeNoProgress(this.#revision);
  }
}

const CLOSED = new EndOfBytes('the connection was closed');

/** The connection must end, but its client can be told why. */
export class UnreadableQuery extends Error {
  override readonly name = 'UnreadableQuery';
  readonly exception: ClickHouseException;

  constructor(exception: ClickHouseException) {
    super(exception.message);
    this.exception = exception;
  }
}

function cannotWalk({ type }: UnknownLayout): ClickHouseException {
  return clickhouseError(
    'NOT_IMPLEMENTED',
    `Blocks with a column of type ${type} can be sent through the gateway with compression only, or by an INSERT`,
  );
}

function hasSettings({ settings }: QueryHead): boolean {
  return settings.to > settings.from;
}

/**
 * Whether a piece's last packet is EndOfStream, or it is an Exception packet from its first byte to its last, the flag for nested ones. Pongs, which also come in the
 * middle of an INSERT, say nothing: undefined when there is nothing else.
 */
function endsAnAnswer(piece: Buffer): boolean | undefined {
  let end = piece.length;
  while (piece[end - 1] === SERVER_PACKETS.Pong) end -= 1;
  if (end === 0) return undefined;
  const last = piece[end - 1];
  if (last === SERVER_PACKETS.EndOfStream) return true;
  return last === 0 && piece[0] === SERVER_PACKETS.Exception && piece.toString('latin1', 6, 10) === 'DB::';
}

const SERVER_TO_SERVER: ReadonlySet<number> = new Set([
  CLIENT_PACKETS.ReadTaskResponse,
  CLIENT_PACKETS.MergeTreeReadTaskResponse,
  CLIENT_PACKETS.QueryPlan,
  CLIENT_PACKETS.MergeTreeAllRangesAnnouncementResponse,
]);

/** A statement about which the dispatcher has decided. */
interface Decided {
  readonly query: ReadQuery;
  /** Of its text, which is `text` as far as it was read. */
  readonly bytes: number;
  readonly isWhole: boolean;
  readonly text: string;
  readonly wires: Wires;
  readonly session: ClientSession;
}

async function whenSettled(following: Promise<unknown> | undefined, ended: OnAnswer['ended']): Promise<void> {
  await following?.catch(() => undefined);
  ended?.();
}

interface CheckedText {
  readonly text: string;
  readonly isUtf8: boolean;
  readonly statement: Buffer;
}

/** What cannot be done to a statement that is not text is refused. Of one that gets another beginning, what follows may be data. */
function checked(action: Action, { text, isUtf8, statement }: CheckedText): Action {
  if (action.kind !== 'run' && action.kind !== 'replace') return action;
  const changed = action.kind === 'run' ? isUtf8 : isTextOf(statement, text.slice(0, action.length));
  return changed ? action : { kind: 'refuse', exception: clickhouseError('BAD_ARGUMENTS', 'The statement is not valid UTF-8') };
}

function isTextOf(statement: Buffer, text: string): boolean {
  const bytes = Buffer.from(text);
  return statement.subarray(0, bytes.length).equals(bytes);
}

/** The server does not tell a native client the id that it made. */
function knowingId(action: Action, id: string): Action {
  if (action.kind === 'refuse' || action.after === undefined || id === '') return action;
  const { after } = action;
  return { ...action, after: async (signal) => after(signal, id) };
}
