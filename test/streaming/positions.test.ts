import test from 'ava';
import type { Lane } from '../../src/streaming/lane.ts';
import { Positions } from '../../src/streaming/positions.ts';

const PARTITION = { topic: 't', partition: 0 };
const [LANE, OTHER_LANE] = [{} as Lane, {} as Lane];

test('what is sealed is not read again after a rebalance, and not committed before it is inserted', (t) => {
  const positions = new Positions();
  t.is(positions.resumeAt(PARTITION, 5), 5);
  positions.sealed(PARTITION, 20, LANE);
  t.is(positions.resumeAt(PARTITION, 5), 20);
  t.deepEqual(positions.toCommit(), []);
  positions.inserted(PARTITION, 20);
  t.deepEqual(positions.toCommit(), [{ partition: PARTITION, next: 20 }]);
  t.is(positions.resumeAt(PARTITION, 5), 20, 'also while the commit is not through');
  positions.committed(PARTITION, 20);
  t.deepEqual(positions.toCommit(), []);
  t.is(positions.resumeAt(PARTITION, 5), 5, 'a position set back by hand counts again');
});

test('what was given up is read again', (t) => {
  const positions = new Positions();
  positions.sealed(PARTITION, 20, LANE);
  positions.abandoned(PARTITION);
  t.is(positions.resumeAt(PARTITION, 5), 5);
});

test('a later part of a partition waits for the lane that still delivers the earlier one', (t) => {
  const positions = new Positions();
  positions.sealed(PARTITION, 20, LANE);
  t.is(positions.laneBefore(PARTITION, OTHER_LANE), LANE);
  t.is(positions.laneBefore(PARTITION, LANE), undefined);
  positions.inserted(PARTITION, 20);
  t.is(positions.laneBefore(PARTITION, OTHER_LANE), undefined);
});

test('an answer for an older part does not pass for the newer one', (t) => {
  const positions = new Positions();
  positions.sealed(PARTITION, 20, LANE);
  positions.sealed(PARTITION, 30, LANE);
  positions.inserted(PARTITION, 20);
  t.deepEqual(positions.toCommit(), []);
});
