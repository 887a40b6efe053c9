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

/** Between gateways and ClickHouse's HTTP interface. Everything passes unchanged but INSERTs that a rule is for. */
export interface ClickHouseProxy extends Pick<Relay, 'port' | 'cut' | 'close'> {
  readonly url: string;
  /** Asked for each INSERT that begins; undefined lets it pass. Undefined again: all pass. */
  rule: (() => InsertRule | undefined) | undefined;
  /** INSERTs under way or held. */
  readonly running: number;
}

export async function startClickHouseProxy(port: number, serverPort: number, journal: Journal): Promise<ClickHouseProxy> {
  const state: { rule: ClickHouseProxy['rule']; running: number; count: number } = { rule: undefined, running: 0, count: 0 };
  const relay = await startRelay(port, serverPort, (link) => new Requests(link, state, journal));
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    cut: relay.cut,
    close: relay.close,
    get rule() {
      return state.rule;
    },
    set rule(rule) {
      state.rule = rule;
    },
    get running() {
      return state.running;
    },
  };
}

interface ProxyState {
  rule: ClickHouseProxy['rule'];
  running: number;
  count: number;
}

interface RunningInsert {
  readonly number: number;
  readonly table: string;
  readonly token: string;
  readonly rule: InsertRule | undefined;
  readonly beganAtMs: number;
  bytes: number;
}

// Only what the gateway's streams insert has this setting.
const MARKER = 'insert_allow_materialized_columns=1';
const LAST_CHUNK = '0\r\n\r\n';

/** The requests of one connection: a client sends the next one when it has the answer, so that a head begins a piece of its own. */
class Requests implements Inspector {
  readonly #link: Link;
  readonly #state: ProxyState;
  readonly #journal: Journal;
  #insert: RunningInsert | undefined;
  #held: Buffer[] | undefined;

  constructor(link: Link, state: ProxyState, journal: Journal) {
    this.#link = link;
    this.#state = state;
    this.#journal = journal;
  }

  fromClient(bytes: Buffer): void {
    if (this.#held !== undefined) {
      this.#hold(bytes);
      return;
    }
    const address = addressOfInsert(bytes);
    if (address !== undefined) this.#begin(address);
    const rule = this.#insert?.rule;
    if (this.#insert !== undefined) this.#insert.bytes += bytes.length;
    if (rule?.kind === 'cut' && (this.#insert?.bytes ?? 0) >= rule.afterBytes) {
      this.#link.server.write(bytes.subarray(0, Math.max(0, bytes.length - ((this.#insert?.bytes ?? 0) - rule.afterBytes))));
      this.#end('cut in its middle');
      this.#link.cut();
      return;
    }
    if (rule?.kind === 'hold' && address !== undefined) {
      this.#holdUntil(rule.release);
      this.#hold(bytes);
      return;
    }
    this.#link.server.write(rule?.kind === 'settings' && address !== undefined ? withSettings(bytes, rule.settings) : bytes);
  }

  fromServer(bytes: Buffer): void {
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

  #begin(address: string): void {
    this.#end('no answer');
    this.#state.running += 1;
    this.#state.count += 1;
    const statement = /INSERT INTO (\S+)/.exec(decodeURIComponent(address.replaceAll('+', ' ')))?.[1] ?? '?';
    const token = /insert_deduplication_token=([^& ]+)/.exec(address)?.[1] ?? '';
    const rule = this.#state.rule?.();
    this.#insert = {
      number: this.#state.count,
      table: statement.replaceAll('`', ''),
      token,
      rule,
      beganAtMs: Date.now(),
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
    this.#held?.push(Buffer.from(bytes));
    const { rule } = this.#insert ?? {};
    if (rule?.kind !== 'hold' || !bytes.subarray(-LAST_CHUNK.length).equals(Buffer.from(LAST_CHUNK))) return;
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

/** The address of a request that inserts rows for a Kafka table, undefined for all other bytes. */
function addressOfInsert(bytes: Buffer): string | undefined {
  if (!bytes.subarray(0, 6).equals(Buffer.from('POST /'))) return undefined;
  const line = bytes.subarray(0, bytes.indexOf('\r\n')).toString('latin1');
  return line.includes(MARKER) ? (line.split(' ')[1] ?? '') : undefined;
}

function withSettings(head: Buffer, settings: string): Buffer {
  const at = head.indexOf(' HTTP/1.1\r\n');
  return Buffer.concat([head.subarray(0, at), Buffer.from(`&${settings}`), head.subarray(at)]);
}
