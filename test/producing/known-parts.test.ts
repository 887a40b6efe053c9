import test from 'ava';
import { KnownParts } from '../../src/producing/known-parts.ts';
import type { Part } from '../../src/producing/position.ts';

function part(block: number): Part {
  const uuid = `00000000-0000-4000-8000-${String(block).padStart(12, '0')}`;
  return { name: `all_${block}_${block}_0`, uuid, block, rows: 10, bytes: 1_000, insertedAtMs: 0 };
}

const [OLD, NEW, NEWER] = [part(1), part(2), part(3)];
const blocks = (parts: readonly Part[]): number[] => parts.map(({ block }) => block);

async function seen(...looks: readonly (readonly Part[])[]): Promise<KnownParts> {
  const parts = new KnownParts();
  for (const look of looks) await parts.look(() => Promise.resolve(look));
  return parts;
}

test('before Kafka was reached, what was there when the gateway began may be sent, and what came later waits', async (t) => {
  const parts = await seen([OLD], [OLD, NEW], [OLD, NEW, NEWER]);
  t.deepEqual(blocks(parts.unsent), [1, 2, 3]);
  t.deepEqual(blocks(parts.surelyUnsent), [2, 3]);
  t.deepEqual((await seen()).surelyUnsent, []);
});

test('once the position is known, what is behind it waits', async (t) => {
  const parts = await seen([OLD, NEW], [OLD, NEW, NEWER]);
  parts.takeCommitted(OLD);
  t.deepEqual(blocks(parts.surelyUnsent), [2, 3]);
  t.deepEqual(blocks(parts.unsent), [2, 3]);
});

test('when Kafka knows of nothing that was sent, all waits', async (t) => {
  const parts = await seen([OLD]);
  parts.takeCommitted(undefined);
  t.deepEqual(blocks(parts.surelyUnsent), [1]);
});
