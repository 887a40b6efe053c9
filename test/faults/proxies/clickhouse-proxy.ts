import type { Journal } from '../journal.ts';
import { startRelay, type Inspector, type Link, type Relay } from './relay.ts';

/**
 * What happens to an INSERT on its way to the server.
 * `cut`: the connection breaks after so many bytes. `lose-answer`: the server has all of it, its answer is dropped and the connection reset.
 * `hold`: the server gets it when `release` resolves, also when the client is gone by then; `complete` is called when all of it is here.
 * `settings`: the statement goes on with more settings in its address, so that the server refuses it by itself.
 */
export type InsertRule =
  | { readonly kind: 'cut'; readonly afterBytes: number }
  | { readonly kind: 'lose-answer' }
  | { readonly kind: 'hold'; readonly release: Promise<void>; readonly complete: () => void }
  | { readonly kind: 'settings'; readonly settings: string };

/** What the gateway does with an outbox: it reads its parts and rows, and drops what was sent or repeated. */
export type OutboxStatement = 'read' | 'drop part';

/** As above; `cut-answer`: the connection breaks when so many bytes of the answer have passed. */
export type OutboxRule = Exclude<InsertRule, { readonly kind: 'hold' }> | { readonly kind: 'cut-answer'; readonly afterBytes: number };

/** Between gateways and ClickHouse's HTTP interface. Everything passes unchanged but INSERTs and statements about outboxes that a rule is for. */
export interface ClickHouseProxy extends Pick<Relay, 'port' | 'cut' | 'close'> {
  readonly url: string;
  /** Asked for each INSERT that begins; undefined lets it pass. Undefined again: all pass. */
  rule: (() => InsertRule | undefined) | undefined;
  /** The same for each statement about an outbox. */
  outboxRule: ((statement: OutboxStatement) => OutboxRule | undefined) | undefined;
  /** INSERTs under way or held. */
  readonly running: number;
}

export async function startClickHouseProxy(port: number, serverPort: number, journal: Journal): Promise<ClickHouseProxy> {
  const state: ProxyState = { rule: undefined, outboxRule: undefined, running: 0, count: 0 };
  const relay = await startRelay(port, serverPort, (link) => new Requests(link, state, journal));
  return Object.assign(state, { port, url: `http://127.0.0.1:${port}`, cut: relay.cut, close: relay.close });
}

interface ProxyState extends Pick<ClickHouseProxy, 'rule' | 'outboxRule'> {
  running: number;
  count: number;
}

interface RunningInsert {
  readonly number: number;
  readonly table: string;
  readonly token: string;
  readonly rule: InsertRule | undefined;
  readonly beganAtMs: number;
  /** Length of head and body; undefined when the body comes in chunks. */
  readonly length: number | undefined;
  bytes: number;
}

interface RunningOutboxStatement {
  readonly statement: OutboxStatement;
  readonly rule: OutboxRule;
  bytes: number;
  answered: number;
}

// Of all INSERTs whose statement stands in the address only those of the gateway's streams have this setting.
const MARKER = 'insert_allow_materialized_columns=1';
const LAST_CHUNK = '0\r\n\r\n';
/** A statement stands in the body behind the length of its chunk, if at all. */
const INSERT = /^(?:[0-9a-f]+\r\n)?\s*INSERT\s/i;
/** So much of a body is read. */
const READ_CHARACTERS = 2000;
const ENOUGH_CHARACTERS = 20;

/** The requests of one connection: a client sends the next one when it has the answer, so that a head begins a piece of its own. */
class Requests implements Inspector {
  readonly #link: Link;
  readonly #state: ProxyState;
  readonly #journal: Journal;
  #insert: RunningInsert | undefined;
  #outbox: RunningOutboxStatement | undefined;
  /** The beginning of a request of which nobody can tell yet what it asks for. */
  #head: Buffer = Buffer.alloc(0);
  #held: Buffer[] | undefined;

  constructor(link: Link, state: ProxyState, journal: Journal) {
    this.#link = link;
    this.#state = state;
    this.#journal = journal;
  }

  fromClient(piece: Buffer): void {
    if (this.#held !== undefined) {
      this.#hold(piece);
      return;
    }
    if (this.#head.length === 0 && !isBeginning(piece)) {
      this.#pass(piece, undefined);
      return;
    }
    this.#head = Buffer.concat([this.#head, piece]);
    const request = readRequest(this.#head);
    if (request === undefined) return;
    const bytes = this.#head;
    this.#head = Buffer.alloc(0);
    this.#outbox = undefined;
    if (request.isInsert) this.#begin(request);
    else if (request.outbox !== undefined) this.#beginOutbox(request.outbox);
    this.#pass(bytes, request.isInsert || request.outbox !== undefined ? request : undefined);
  }

  /** `request`: it begins here. */
  #pass(bytes: Buffer, request: ReadRequest | undefined): void {
    const outbox = this.#outbox;
    if (outbox !== undefined) {
      this.#passOutbox(bytes, outbox, request);
      return;
    }
    const rule = this.#insert?.rule;
    if (this.#insert !== undefined) this.#insert.bytes += bytes.length;
    if (rule?.kind === 'cut' && (this.#insert?.bytes ?? 0) >= rule.afterBytes) {
      this.#link.server.write(bytes.subarray(0, Math.max(0, bytes.length - ((this.#insert?.bytes ?? 0) - rule.afterBytes))));
      this.#end('cut in its middle');
      this.#link.cut();
      return;
    }
    if (rule?.kind === 'hold' && request !== undefined) {
      this.#holdUntil(rule.release);
      this.#hold(bytes);
      return;
    }
    this.#link.server.write(rule?.kind === 'settings' && request !== undefined ? withSettings(bytes, rule.settings) : bytes);
  }

  #passOutbox(bytes: Buffer, outbox: RunningOutboxStatement, request: ReadRequest | undefined): void {
    const { rule } = outbox;
    outbox.bytes += bytes.length;
    if (rule.kind === 'cut' && outbox.bytes >= rule.afterBytes) this.#link.cut();
    else this.#link.server.write(rule.kind === 'settings' && request !== undefined ? withSettings(bytes, rule.settings) : bytes);
  }

  fromServer(bytes: Buffer): void {
    if (this.#outbox !== undefined) {
      const { rule, answered } = this.#outbox;
      this.#outbox.answered += bytes.length;
      if (rule.kind === 'lose-answer' || (rule.kind === 'cut-answer' && answered + bytes.length >= rule.afterBytes)) {
        if (rule.kind === 'cut-answer') this.#link.client.write(bytes.subarray(0, Math.max(0, rule.afterBytes - answered)));
        this.#link.cut();
        return;
      }
    }
    const insert = this.#insert;
    if (insert !== undefined) {
      const status = /^HTTP\/1\.1 (\d+)/.exec(bytes.subarray(0, 20).toString('latin1'))?.[1] ?? '?';
      const code = /X-ClickHouse-Exception-Code: (\d+)/i.exec(bytes.toString('latin1'))?.[1];
      const answer = code === undefined ? status : `${status}, code ${code}`;
      if (insert.rule?.kind === 'lose-answer') {
        this.#end(`${answer}, answer lost`);
        this.#link.cut();
        return;
      }
      this.#end(answer);
    }
    this.#link.outlivesClient = false;
    if (this.#link.client.destroyed) this.#link.server.destroy();
    else this.#link.client.write(bytes);
  }

  closed(): void {
    this.#end('connection closed');
  }

  #beginOutbox(statement: OutboxStatement): void {
    const rule = this.#state.outboxRule?.(statement);
    if (rule === undefined) return;
    this.#journal.note('outbox', { statement, rule: rule.kind });
    this.#outbox = { statement, rule, bytes: 0, answered: 0 };
  }

  #begin({ address, text, length }: ReadRequest): void {
    this.#end('no answer');
    this.#state.running += 1;
    this.#state.count += 1;
    const statement = /INSERT INTO (\S+)/i.exec(`${decodeURIComponent(address.replaceAll('+', ' '))} ${text}`)?.[1] ?? '?';
    const token = /insert_deduplication_token=([^& ]+)/.exec(address)?.[1] ?? '';
    const rule = this.#state.rule?.();
    this.#insert = {
      number: this.#state.count,
      table: statement.replaceAll('`', ''),
      token,
      rule,
      beganAtMs: Date.now(),
      length,
      bytes: 0,
    };
  }

  #end(answer: string): void {
    const insert = this.#insert;
    if (insert === undefined) return;
    this.#insert = undefined;
    this.#state.running -= 1;
    const { number, table, token, rule, beganAtMs, bytes } = insert;
    this.#journal.note('insert', { number, table, token, ...(rule && { rule: rule.kind }), bytes, ms: Date.now() - beganAtMs, answer });
  }

  #hold(bytes: Buffer): void {
    const held = this.#held ?? [];
    held.push(Buffer.from(bytes));
    const { rule, length } = this.#insert ?? {};
    if (rule?.kind !== 'hold') return;
    const heldBytes = held.reduce((sum, piece) => sum + piece.length, 0);
    const isComplete = length === undefined ? bytes.subarray(-LAST_CHUNK.length).equals(Buffer.from(LAST_CHUNK)) : heldBytes >= length;
    if (!isComplete) return;
    this.#link.outlivesClient = true;
    rule.complete();
  }

  #holdUntil(release: Promise<void>): void {
    this.#held = [];
    void release.then(() => {
      const held = this.#held ?? [];
      this.#held = undefined;
      if (!this.#link.server.destroyed) this.#link.server.write(Buffer.concat(held));
    });
  }
}

interface ReadRequest {
  readonly address: string;
  /** The beginning of its body. */
  readonly text: string;
  /** As in `RunningInsert`. */
  readonly length: number | undefined;
  readonly isInsert: boolean;
  readonly outbox: OutboxStatement | undefined;
}

function isBeginning(bytes: Buffer): boolean {
  return bytes.subarray(0, 6).equals(Buffer.from('POST /'));
}

/** What a request asks for; undefined when too little of it is here. */
function readRequest(bytes: Buffer): ReadRequest | undefined {
  const headLength = bytes.indexOf('\r\n\r\n') + 4;
  if (headLength < 4) return undefined;
  const head = bytes.subarray(0, headLength).toString('latin1');
  const address = head.slice(0, head.indexOf('\r\n')).split(' ')[1] ?? '';
  const isChunked = /\r\ntransfer-encoding: *chunked/i.test(head);
  const bodyLength = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  const isOfStream = address.includes(MARKER);
  // Whoever expects the server's word sends the body only then.
  const hasBody = (isChunked || bodyLength > 0) && !/\r\nexpect:/i.test(head);
  const text = bytes.subarray(headLength, headLength + READ_CHARACTERS).toString('latin1');
  if (!isOfStream && hasBody && !tellsEnough(text, isChunked ? undefined : bodyLength)) return undefined;
  const isInsert = isOfStream || INSERT.test(text);
  return {
    address,
    text,
    length: isChunked ? undefined : headLength + bodyLength,
    isInsert,
    outbox: isInsert ? undefined : outboxStatement(text),
  };
}

/** The length of a chunk may come before the chunk. */
function tellsEnough(text: string, bodyLength: number | undefined): boolean {
  if (bodyLength !== undefined) return text.length >= Math.min(bodyLength, ENOUGH_CHARACTERS);
  return text.endsWith(LAST_CHUNK) || text.replace(/^[0-9a-f]+\r\n/i, '').length >= ENOUGH_CHARACTERS;
}

function outboxStatement(text: string): OutboxStatement | undefined {
  if (!text.includes('.outbox.')) return undefined;
  if (text.includes('DROP PART')) return 'drop part';
  return text.includes('SELECT') ? 'read' : undefined;
}

function withSettings(head: Buffer, settings: string): Buffer {
  const at = head.indexOf(' HTTP/1.1\r\n');
  return Buffer.concat([head.subarray(0, at), Buffer.from(`&${settings}`), head.subarray(at)]);
}
