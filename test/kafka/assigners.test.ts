import test from 'ava';
import type { Cluster, Logger } from 'kafkajs';
import { assignRange, assignRoundRobin, partitionAssigners, type Assignment } from '../../src/kafka/assigners.ts';

const TOPICS = new Map([
  ['b', [0, 1]],
  ['a', [0, 1, 2]],
]);

function subscriptions(members: Record<string, string[]>): Map<string, string[]> {
  return new Map(Object.entries(members));
}

function plain(assignment: Assignment): unknown {
  return Object.fromEntries(assignment);
}

// The expectations are those of the Java client's and librdkafka's assignors (RangeAssignor, RoundRobinAssignor javadoc examples and kin).
test('range gives neighbours topic by topic, the first members get the rest', (t) => {
  t.deepEqual(plain(assignRange(subscriptions({ m2: ['a', 'b'], m1: ['a', 'b'] }), TOPICS)), {
    m1: { a: [0, 1], b: [0] },
    m2: { a: [2], b: [1] },
  });
});

test('round robin deals out one partition after the other over all topics', (t) => {
  t.deepEqual(plain(assignRoundRobin(subscriptions({ m2: ['a', 'b'], m1: ['a', 'b'] }), TOPICS)), {
    m1: { a: [0, 2], b: [1] },
    m2: { a: [1], b: [0] },
  });
});

test('topics of one partition spread over the members', (t) => {
  const topics = new Map(['a', 'b', 'c'].map((topic) => [topic, [0]]));
  const all = ['a', 'b', 'c'];
  t.deepEqual(plain(assignRoundRobin(subscriptions({ m1: all, m2: all, m3: all }), topics)), {
    m1: { a: [0] },
    m2: { b: [0] },
    m3: { c: [0] },
  });
});

for (const [name, assign] of [
  ['range', assignRange],
  ['round robin', assignRoundRobin],
] as const) {
  test(`${name}: nobody gets a topic that it did not subscribe to`, (t) => {
    t.deepEqual(plain(assign(subscriptions({ m1: ['a'], m2: ['b'] }), TOPICS)), { m1: { a: [0, 1, 2] }, m2: { b: [0, 1] } });
  });

  test(`${name}: a member too many gets nothing, a missing topic and one that nobody wants are no error`, (t) => {
    const topics = new Map([
      ['gone', []],
      ['unwanted', [0]],
      ['a', [0]],
    ]);
    t.deepEqual(plain(assign(subscriptions({ m1: ['a', 'gone'], m2: ['a'] }), topics)), { m1: { a: [0] }, m2: {} });
  });
}

test('the members announce roundrobin and range in the bytes of the consumer protocol', (t) => {
  const config = { cluster: {} as Cluster, groupId: 'g', logger: {} as Logger };
  const announced = partitionAssigners('o').map((create) => create(config).protocol({ topics: ['ab'] }));
  const metadata = Buffer.from('0000000000010002616200000001' + '6f', 'hex');
  t.deepEqual(announced, [
    { name: 'roundrobin', metadata },
    { name: 'range', metadata },
  ]);
});
