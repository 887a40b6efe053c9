import test from 'ava';
import kafkajs, { type Broker, type Cluster } from 'kafkajs';
import { waitFor } from '../helpers/index.ts';
import { Membership } from '../../src/kafka/membership.ts';

interface Request {
  readonly request: { readonly apiName: string };
}

/**
 * A coordinator whose connection breaks while a member waits to be let in, which no broker does on demand: kafkajs' way of joining (a request without
 * id, refused with one; a second one with it), whose second requests end as `outcomes` say.
 */
class BreakingCoordinator {
  readonly joined: string[] = [];
  readonly left: string[] = [];
  readonly outcomes: (() => Promise<{ generationId: number; memberId: string }>)[] = [];
  #given = 0;
  readonly connectionPool = {
    send: async (request: Request): Promise<unknown> => (request as unknown as { run: () => Promise<unknown> }).run(),
  };

  async joinGroup({ memberId = '' }: { memberId?: string }): Promise<{ generationId: number; memberId: string }> {
    let id = memberId;
    if (id === '') {
      const refuse = async (): Promise<never> => Promise.reject(Object.assign(new Error('id required'), { memberId: `m${++this.#given}` }));
      try {
        await this.#send(refuse);
      } catch (error) {
        if ((error as { memberId?: string }).memberId === undefined) throw error;
        id = (error as { memberId: string }).memberId;
      }
    }
    return (await this.#send(async () => {
      this.joined.push(id);
      return (await this.outcomes.shift()?.()) ?? { generationId: 1, memberId: id };
    })) as { generationId: number; memberId: string };
  }

  async syncGroup(): Promise<{ memberAssignment: Buffer }> {
    return Promise.resolve({ memberAssignment: Buffer.alloc(0) });
  }

  async offsetFetch(): Promise<{ responses: readonly never[] }> {
    return Promise.resolve({ responses: [] });
  }

  async leaveGroup({ memberId }: { memberId: string }): Promise<void> {
    this.left.push(memberId);
    return Promise.resolve();
  }

  async #send(run: () => Promise<unknown>): Promise<unknown> {
    return this.connectionPool.send({ request: { apiName: 'JoinGroup' }, run } as unknown as Request);
  }
}

function clusterOf(broker: BreakingCoordinator): Cluster {
  const nothing = async (): Promise<void> => Promise.resolve();
  return {
    findGroupCoordinator: async () => Promise.resolve(broker as unknown as Broker),
    connect: nothing,
    disconnect: nothing,
  } as unknown as Cluster;
}

/** A member, and kafkajs' call that joins it. */
function openMembership(): {
  broker: BreakingCoordinator;
  membership: Membership;
  join: () => Promise<unknown>;
  besides: BreakingCoordinator;
} {
  const [broker, besides] = [new BreakingCoordinator(), new BreakingCoordinator()];
  const cluster = clusterOf(broker);
  const membership = new Membership(cluster, {
    groupId: 'g',
    ownerId: 'o',
    openCluster: () => clusterOf(besides),
    onCommitted: () => undefined,
  });
  const join = async (): Promise<unknown> => {
    const coordinator = (await cluster.findGroupCoordinator({ groupId: 'g' })) as unknown as BreakingCoordinator;
    return coordinator.joinGroup({});
  };
  return { broker, besides, membership, join };
}

const breaks = async (): Promise<never> => Promise.reject(new kafkajs.KafkaJSConnectionError('closed'));
const isForgotten = async (): Promise<never> =>
  Promise.reject(Object.assign(new kafkajs.KafkaJSProtocolError(new Error('unknown')), { type: 'UNKNOWN_MEMBER_ID' }));

test('a consumer whose connection breaks while it joins comes back as the same member', async (t) => {
  const { broker, membership, join } = openMembership();
  broker.outcomes.push(breaks);
  await t.throwsAsync(join());
  await join();
  t.deepEqual(broker.joined, ['m1', 'm1']);
  t.is(membership.memberId, 'm1');
});

test('a consumer that the broker has forgotten joins as a new member', async (t) => {
  const { broker, membership, join } = openMembership();
  broker.outcomes.push(isForgotten);
  await t.throwsAsync(join());
  await join();
  t.is(membership.memberId, 'm2');
});

test('a consumer that has joined leaves over its connection, once', async (t) => {
  const { broker, besides, membership, join } = openMembership();
  await join();
  membership.begin();
  await membership.leave();
  await membership.leave();
  t.deepEqual([broker.left, besides.left], [['m1'], []]);
});

test('a consumer that waits to be let in leaves over another connection, and joins no more', async (t) => {
  const { broker, besides, membership, join } = openMembership();
  let breakOff: (error: Error) => void = () => undefined;
  broker.outcomes.push(async () => new Promise((_resolve, reject) => (breakOff = reject)));
  const joining = t.throwsAsync(join());
  await waitFor(() => broker.joined.length === 1);
  await membership.leave();
  t.deepEqual([broker.left, besides.left], [[], ['m1']]);
  breakOff(new Error('left'));
  await joining;
  await t.throwsAsync(join(), { message: 'the consumer leaves the group' });
  t.deepEqual(broker.joined, ['m1']);
});
