import { waitFor } from '../parts/wait-for.ts';
import { FLUSH_KEY, type OutTable } from './out-schema.ts';
import { pauseMs } from './producers.ts';
import { Random } from './random.ts';
import type { World } from './world.ts';

/** One who inserts numbers into one table, each INSERT when the one before is acknowledged. */
interface Writer {
  readonly number: number;
  readonly table: OutTable;
  /** Past the gateways, at the server itself. */
  readonly isDirect: boolean;
  /** Writes no key: nothing in its statements says that they are for Kafka. */
  readonly isKeyless: boolean;
  readonly random: Random;
  /** Numbers below are acknowledged. */
  next: number;
  /** The first number of each INSERT, and when it was tried first, in milliseconds since 1970. */
  readonly writtenAtMs: Map<number, number>;
  /** First number and rows of INSERTs whose outcome nobody knows. */
  readonly doubtful: Map<number, number>;
}

/** What somebody has written, in the end. */
export interface Written {
  readonly writer: number;
  readonly table: OutTable;
  /** Numbers from 0 on below this are acknowledged, and no other ones were ever written. */
  readonly count: number;
  readonly writtenAtMs: ReadonlyMap<number, number>;
  /** First number and rows of INSERTs that may be there: all of one's rows, or none. Their numbers are below `count`. */
  readonly doubtful: ReadonlyMap<number, number>;
}

const MOST_ROWS = 40;
const LONGEST_PAUSE_MS = 250;
const ATTEMPT_TIMEOUT_MS = 10_000;
const ATTEMPT_PAUSE_MS = 150;
const STOP_TIMEOUT_MS = 90_000;
const FLUSH_TIMEOUT_MS = 90_000;
/** The table's own words: the rows are safe, and will come. */
const IS_QUEUED = /Code: 159\b.*are in the outbox/s;

/**
 * Insert numbered rows through gateways and past them until they are stopped, with a deduplication token for each INSERT; whatever fails, or has an outcome that nobody knows, is
 * repeated with the same token until it is acknowledged. Rows that are selected have no token, and are inserted once, whatever becomes of it.
 */
export class Writers {
  readonly #world: World;
  readonly #writers: readonly Writer[];
  readonly #running: Promise<void>[] = [];
  #isStopping = false;
  #deadlineMs = Infinity;
  /** Those whose last INSERT was never acknowledged. */
  readonly #unacknowledged: string[] = [];
  /** What the answers were, for the journal. */
  repeats = 0;
  queued = 0;

  constructor(world: World, seed: number) {
    this.#world = world;
    const [byView, byInsert, bySelect] = world.schema.outTables.filter(({ source }) => source !== undefined);
    const plan =
      byView === undefined || byInsert === undefined || bySelect === undefined
        ? []
        : ([byView, byView, byInsert, byInsert, byInsert, bySelect] as const);
    this.#writers = plan.map((table, number) => ({
      number,
      table,
      isDirect: table === byView && number === 0,
      isKeyless: number >= plan.length - 2,
      random: new Random(seed + number),
      next: 0,
      writtenAtMs: new Map(),
      doubtful: new Map(),
    }));
  }

  start(): void {
    for (const writer of this.#writers) this.#running.push(this.#keepWriting(writer));
  }

  /** Resolves when every number is acknowledged, or after some time; then the answer names the writers of which one INSERT is not. */
  async stop(): Promise<readonly string[]> {
    this.#isStopping = true;
    this.#deadlineMs = Date.now() + STOP_TIMEOUT_MS;
    await Promise.all(this.#running);
    return this.#unacknowledged;
  }

  /** Waits until everything that is in the outboxes is in Kafka. Answers the targets of which that took too long. */
  async flush(): Promise<readonly string[]> {
    const late: string[] = [];
    await Promise.all(
      this.#world.schema.outTables.map(async ({ queue, target }) => {
        const sql = `INSERT INTO ${queue} (w, n, _key) VALUES (0, 0, '${FLUSH_KEY}')`;
        const isFlushed = async (): Promise<boolean> => {
          await this.#world.mend();
          return (await this.#attempt(this.#world.gateways.awake[0]?.part.url, sql, {})) === 'acknowledged';
        };
        await waitFor(isFlushed, { timeoutMs: FLUSH_TIMEOUT_MS }).catch(() => late.push(target));
      }),
    );
    return late;
  }

  /** INSERTs without token of which nobody knows what became. */
  get doubtful(): number {
    return this.#writers.reduce((sum, { doubtful }) => sum + doubtful.size, 0);
  }

  get written(): readonly Written[] {
    return this.#writers.map(({ number, next: count, ...writer }) => ({ ...writer, writer: number, count }));
  }

  async #keepWriting(writer: Writer): Promise<void> {
    const { random, table, number } = writer;
    while (!this.#isStopping) {
      const rows = random.between(1, MOST_ROWS);
      const token = `writer-${number}-${writer.next}`;
      writer.writtenAtMs.set(writer.next, Date.now());
      if (table.isSelected === true) {
        if (!isKept(await this.#write(writer, selectOf(writer, rows), token, 1, {}))) writer.doubtful.set(writer.next, rows);
      } else if (!(await this.#writeUntilAcknowledged(writer, valuesOf(writer, rows), token))) {
        this.#unacknowledged.push(`writer ${number} of ${table.target}: ${token}`);
        return;
      }
      writer.next += rows;
      await pauseMs(random.between(0, LONGEST_PAUSE_MS));
    }
  }

  async #writeUntilAcknowledged(writer: Writer, sql: string, token: string): Promise<boolean> {
    const settings = { insert_deduplication_token: token, deduplicate_blocks_in_dependent_materialized_views: '1' };
    for (let attempt = 1; Date.now() < this.#deadlineMs; attempt += 1) {
      if (isKept(await this.#write(writer, sql, token, attempt, settings))) return true;
      this.repeats += 1;
      await pauseMs(ATTEMPT_PAUSE_MS);
    }
    return false;
  }

  /** Through somebody; answers as `#attempt`. */
  async #write(
    { random, isDirect }: Writer,
    sql: string,
    token: string,
    attempt: number,
    settings: Readonly<Record<string, string>>,
  ): Promise<string> {
    const { gateways, clickHouse, journal } = this.#world;
    const { awake } = gateways;
    // Frozen ones are asked, too: users do not know.
    const gateway = random.chance(0.2) || awake.length === 0 ? gateways.running[0] : random.pick(awake);
    const answer = await this.#attempt(isDirect ? clickHouse.url : gateway?.part.url, sql, settings);
    journal.note('write', { token, attempt, through: isDirect ? 'server' : (gateway?.name ?? 'nobody'), answer });
    if (IS_QUEUED.test(answer)) this.queued += 1;
    return answer;
  }

  /** `acknowledged`, or why not. */
  async #attempt(url: string | undefined, sql: string, settings: Readonly<Record<string, string>>): Promise<string> {
    if (url === undefined) return 'nobody is there';
    try {
      const response = await fetch(`${url}/?${new URLSearchParams(settings).toString()}`, {
        method: 'POST',
        body: sql,
        headers: { 'X-ClickHouse-User': 'default' },
        signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS),
      });
      const text = await response.text();
      return response.ok ? 'acknowledged' : text.slice(0, 600);
    } catch (error) {
      return String((error as Error).cause ?? error);
    }
  }
}

/** The rows are in Kafka, or will be. */
function isKept(answer: string): boolean {
  return answer === 'acknowledged' || IS_QUEUED.test(answer);
}

function valuesOf({ number, table, next, isKeyless }: Writer, rows: number): string {
  const values = Array.from({ length: rows }, (_, i) => `(${number}, ${next + i}${isKeyless ? '' : `, 'writer ${number}'`})`);
  return `INSERT INTO ${table.source ?? ''} ${isKeyless ? '' : '(w, n, _key) '}VALUES ${values.join(', ')}`;
}

/** As the table has them, so that they need no outbox. */
function selectOf({ number, table, next }: Writer, rows: number): string {
  return `INSERT INTO ${table.source ?? ''} SELECT ${number}::UInt64 AS w, ${next} + number AS n FROM numbers(${rows})`;
}
