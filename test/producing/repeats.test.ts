import test from 'ava';
import type { Part } from '../../src/producing/position.ts';
import { Repeats } from '../../src/producing/repeats.ts';

/** The server's default of `max_query_size`. */
const MAX_QUERY_SIZE = 262_144;

function partAt(block: number): Part {
  const uuid = `00000000-0000-0000-0000-${String(block).padStart(12, '0')}`;
  return { name: `all_${block}_${block}_0`, uuid, block, rows: 1, bytes: 100, insertedAtMs: 0 };
}

/** A server that keeps what each part's INSERT said of itself, and refuses statements that it would not read. */
function serverOf(tokens: ReadonlyMap<string, string>) {
  const asked: string[] = [];
  const rows = async <T>(sql: string): Promise<T[]> => {
    asked.push(sql);
    if (sql.length > MAX_QUERY_SIZE) throw new Error('Code: 62. DB::Exception: Max query size exceeded');
    const names = [...sql.matchAll(/'(all_\d+_\d+_\d+)'/g)].map(([, name = '']) => name);
    if (sql.includes('system.columns')) return Promise.resolve([{ name: 'id' }] as T[]);
    if (sql.includes(' AS content ')) return Promise.resolve(names.map((part) => ({ part, content: 'the same' })) as T[]);
    return Promise.resolve(names.map((part) => ({ part, token: tokens.get(part) ?? '', query: `query of ${part} 0` })) as T[]);
  };
  return { client: { rows }, asked };
}

test('rows that gathered for hours are looked at in statements that the server reads', async (t) => {
  const parts = Array.from({ length: 40_000 }, (_, block) => partAt(block));
  const token = new Map(parts.slice(0, 30_000).map(({ name }) => [name, 'the same token']));
  const { client, asked } = serverOf(token);
  const repeats = new Repeats(client, { database: 'db', name: '.outbox.q' });
  t.deepEqual(await repeats.among(parts, parts.slice(0, 2)), parts.slice(1, 2));
  t.true(asked.length <= 3, 'nothing is asked about what comes later');
  t.deepEqual(await repeats.among(parts, parts.slice(39_000, 39_500)), []);
  const last = parts[29_999] as Part;
  t.deepEqual(await repeats.among(parts, [last]), [last]);
});
