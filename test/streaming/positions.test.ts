import test from 'ava';
import { newIntent, type Intent, type PartitionRange } from '../../src/streaming/intent.ts';
import { Positions, type Carrier } from '../../src/streaming/positions.ts';

const PARTITION = { topic: 't', partition: 0 };
const [LANE, OTHER] = [{ name: 'one' }, { name: 'other' }] as unknown as readonly [Carrier, Carrier];

function range(first: number, next: number): PartitionRange {
  return { ...PARTITION, first, next };
}

function intentOf(...ranges: PartitionRange[]): Intent {
  return newIntent('together', ranges);
}

/** Where everything below is inserted. */
function next(positions: Positions): number | undefined {
  return positions.all()[0]?.next;
}

test('what is sealed is not read again after a rebalance, and not committed before it is inserted', (t) => {
  const positions = new Positions();
  t.is(positions.resumeAt(PARTITION, 5), 5);
  positions.sealed(range(5, 20), LANE);
  t.is(positions.resumeAt(PARTITION, 5), 20);
  t.is(next(positions), 5);
  positions.inserted(range(5, 20));
  t.is(next(positions), 20);
  t.is(positions.resumeAt(PARTITION, 5), 20, 'also while the commit is not through');
  positions.committed(PARTITION, 20);
  t.is(positions.resumeAt(PARTITION, 5), 20, 'also by a fetch that waited all the while');
  positions.restarted(PARTITION, 5);
  t.is(positions.resumeAt(PARTITION, 5), 5, 'a position set back by hand counts again');
});

test('what is old is forgotten where it may be, and never while something is under way', (t) => {
  const positions = new Positions();
  const other = { topic: 't', partition: 1 };
  positions.sealed(range(5, 20), LANE);
  positions.sealed({ ...other, first: 0, next: 9 }, LANE);
  positions.inserted(range(5, 20));
  const asked: [number, boolean][] = [];
  const expire = (mayForget: boolean): void => {
    positions.expire(-1, ({ partition }, isCommitDue) => {
      asked.push([partition, isCommitDue]);
      return mayForget;
    });
  };
  expire(false);
  t.is(positions.resumeAt(PARTITION, 5), 20, 'its commit is still to come');
  positions.committed(PARTITION, 20);
  expire(true);
  t.deepEqual(asked, [
    [0, true],
    [0, false],
  ]);
  t.is(positions.resumeAt(PARTITION, 5), 5);
  t.is(positions.resumeAt(other, 0), 9);
});

test('deliveries may end in any order, offsets are committed in theirs', (t) => {
  const positions = new Positions();
  positions.sealed(range(0, 10), LANE);
  positions.sealed(range(10, 20), LANE);
  positions.inserted(range(10, 20));
  t.is(next(positions), 0);
  positions.inserted(range(0, 10));
  t.is(next(positions), 20);
});

test('what was given up is read again, and what came in behind it is not', (t) => {
  const positions = new Positions();
  positions.sealed(range(0, 10), LANE);
  positions.sealed(range(10, 20), LANE);
  positions.abandoned(range(0, 10), LANE);
  positions.inserted(range(10, 20));
  t.is(next(positions), 0, 'the gap keeps the position back');
  t.is(positions.resumeAt(PARTITION, 0), 0);
  t.deepEqual(positions.nextInterval(PARTITION, 0)?.first, 10);
  positions.sealed(range(0, 10), LANE);
  positions.inserted(range(0, 10));
  t.is(next(positions), 20);
});

test('a partition that comes back farther on is committed from there', (t) => {
  const positions = new Positions();
  positions.sealed(range(0, 10), LANE);
  positions.abandoned(range(0, 10), LANE);
  positions.sealed(range(10, 20), LANE);
  positions.inserted(range(10, 20));
  positions.restarted(PARTITION, 15);
  t.is(next(positions), 20);
  positions.committed(PARTITION, 20);
  positions.restarted(PARTITION, 40);
  positions.sealed(range(40, 50), LANE);
  positions.inserted(range(40, 50));
  t.is(next(positions), 50);
});

test('what was left out is never committed over', (t) => {
  const positions = new Positions();
  positions.restarted(PARTITION, 10);
  positions.sealed(range(20, 30), LANE);
  positions.inserted(range(20, 30));
  t.is(next(positions), 10);
});

test('a position that is set back by hand is followed, one that only waits for its commit is not', (t) => {
  const positions = new Positions();
  positions.sealed(range(0, 10), LANE);
  positions.inserted(range(0, 10));
  positions.restarted(PARTITION, 0);
  t.is(next(positions), 10);
  positions.committed(PARTITION, 10);
  positions.restarted(PARTITION, 3);
  t.is(next(positions), 3);
  t.is(positions.resumeAt(PARTITION, 3), 3);
});

test('a partition waits for whoever still delivers a part of it', (t) => {
  const positions = new Positions();
  positions.sealed(range(5, 20), LANE);
  t.is(positions.otherCarrier(PARTITION, OTHER), LANE);
  t.is(positions.otherCarrier(PARTITION, LANE), undefined);
  positions.inserted(range(5, 20));
  t.is(positions.otherCarrier(PARTITION, OTHER), undefined);
});

test('offsets that begin anew are not compared with the old ones', (t) => {
  const positions = new Positions();
  positions.sealed(range(1000, 2000), LANE);
  positions.reset(PARTITION);
  positions.inserted(range(1000, 2000));
  t.is(next(positions), undefined);
  t.is(positions.resumeAt(PARTITION, 0), 0);
});

test('intents stand in the record until everything below their end is in', (t) => {
  const positions = new Positions();
  const [first, second] = [intentOf(range(0, 10)), intentOf(range(10, 20))];
  positions.sealed(range(0, 10), LANE, first);
  positions.sealed(range(10, 20), LANE, second);
  positions.inserted(range(10, 20), second);
  t.deepEqual(positions.all()[0]?.intents, [first, second]);
  positions.inserted(range(0, 10), first);
  t.deepEqual(positions.all()[0]?.intents, []);
  t.true(positions.holds(range(0, 10), first));
});

test('what somebody else has taken over is not given up by whoever had it before', (t) => {
  const positions = new Positions();
  const intent = intentOf(range(0, 10));
  positions.sealed(range(0, 10), LANE, intent);
  positions.handedOver(range(0, 10), intent, OTHER);
  positions.abandoned(range(0, 10), LANE, intent);
  t.is(positions.otherCarrier(PARTITION, LANE), OTHER);
  t.deepEqual(positions.all()[0]?.intents, [intent]);
});

test('of what a new generation finds sealed, only what Kafka knows of stays', (t) => {
  const positions = new Positions();
  const [known, unknown] = [intentOf(range(0, 10)), intentOf(range(10, 20))];
  positions.sealed(range(0, 10), LANE, known);
  positions.sealed(range(10, 20), LANE, unknown);
  positions.abandonUnrecorded(PARTITION, ({ id }) => id === known.id);
  t.deepEqual(positions.all()[0]?.intents, [known]);
  t.is(positions.resumeAt(PARTITION, 0), 10);
});

test('offsets that are gone are passed over, and what of them was read before still has to come in', (t) => {
  const positions = new Positions();
  positions.restarted(PARTITION, 0);
  const intent = intentOf(range(10, 20));
  positions.sealed(range(10, 20), LANE, intent);
  positions.gone(PARTITION, 0, 40);
  t.is(next(positions), 10);
  t.is(positions.resumeAt(PARTITION, 40), 40);
  positions.inserted(range(10, 20), intent);
  t.is(next(positions), 40);
});
