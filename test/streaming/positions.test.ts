import test from 'ava';
import type { Lane } from '../../src/streaming/lane.ts';
import { Positions } from '../../src/streaming/positions.ts';

const PARTITION = { topic: 't', partition: 0 };
const [LANE, OTHER_LANE] = [{ name: 'one' }, { name: 'other' }] as unknown as readonly [Lane, Lane];

function due(positions: Positions): number | undefined {
  return positions.toCommit()[0]?.next;
}

test('what is sealed is not read again after a rebalance, and not committed before it is inserted', (t) => {
  const positions = new Positions();
  t.is(positions.resumeAt(PARTITION, 5), 5);
  positions.sealed(PARTITION, 5, 20, LANE);
  t.is(positions.resumeAt(PARTITION, 5), 20);
  t.is(due(positions), undefined);
  positions.inserted(PARTITION, 5);
  t.is(due(positions), 20);
  t.is(positions.resumeAt(PARTITION, 5), 20, 'also while the commit is not through');
  positions.committed(PARTITION, 20);
  t.is(due(positions), undefined);
  t.is(positions.resumeAt(PARTITION, 5), 5, 'a position set back by hand counts again');
});

test('deliveries may end in any order, offsets are committed in theirs', (t) => {
  const positions = new Positions();
  positions.sealed(PARTITION, 0, 10, LANE);
  positions.sealed(PARTITION, 10, 20, LANE);
  positions.inserted(PARTITION, 10);
  t.is(due(positions), undefined);
  positions.inserted(PARTITION, 0);
  t.is(due(positions), 20);
});

test('what was given up is read again, and what came in behind it is not', (t) => {
  const positions = new Positions();
  positions.sealed(PARTITION, 0, 10, LANE);
  positions.sealed(PARTITION, 10, 20, LANE);
  positions.abandoned(PARTITION, 0);
  positions.inserted(PARTITION, 10);
  t.is(due(positions), undefined, 'the gap keeps the position back');
  t.is(positions.resumeAt(PARTITION, 0), 0);
  t.deepEqual(positions.nextInterval(PARTITION, 0)?.first, 10);
  positions.sealed(PARTITION, 0, 10, LANE);
  positions.inserted(PARTITION, 0);
  t.is(due(positions), 20);
});

test('a partition that comes back farther on is committed from there', (t) => {
  const positions = new Positions();
  positions.sealed(PARTITION, 0, 10, LANE);
  positions.abandoned(PARTITION, 0);
  positions.sealed(PARTITION, 10, 20, LANE);
  positions.inserted(PARTITION, 10);
  positions.restarted(PARTITION, 15);
  t.is(due(positions), 20);
  positions.committed(PARTITION, 20);
  positions.sealed(PARTITION, 40, 50, LANE);
  positions.inserted(PARTITION, 40);
  t.is(due(positions), 50);
});

test('a partition waits for the lane that still delivers a part of it', (t) => {
  const positions = new Positions();
  positions.sealed(PARTITION, 5, 20, LANE);
  t.is(positions.otherLane(PARTITION, OTHER_LANE), LANE);
  t.is(positions.otherLane(PARTITION, LANE), undefined);
  positions.inserted(PARTITION, 5);
  t.is(positions.otherLane(PARTITION, OTHER_LANE), undefined);
});

test('offsets that begin anew are not compared with the old ones', (t) => {
  const positions = new Positions();
  positions.sealed(PARTITION, 1000, 2000, LANE);
  positions.reset(PARTITION);
  positions.inserted(PARTITION, 1000);
  t.is(due(positions), undefined);
  t.is(positions.resumeAt(PARTITION, 0), 0);
});
