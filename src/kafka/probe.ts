import type { Logger } from '../logger.ts';
import { pause } from '../pauses.ts';
import { parseAddress, type Address } from './address.ts';
import { BrokerSession, knownSecurity } from './broker-session.ts';
import type { ClientOptions } from './client.ts';
import { GROUP, type CoordinatingBroker } from './coordinator.ts';
import { KAFKA_STEPS, KafkaFailure, missingTopics, told } from './failures.ts';
import { greet, type Patience } from './greeting.ts';
import { readGroupOperations } from './group-operations.ts';
import { isAllowed, READ, WRITE } from './operations.ts';
import {
  brokerError,
  GROUP_AUTHORIZATION_FAILED,
  LEADER_NOT_AVAILABLE,
  TOPIC_AUTHORIZATION_FAILED,
  UNKNOWN_TOPIC,
} from './protocol-errors.ts';
import type { Security } from './security.ts';
import { readCluster, type ClusterView } from './topic-metadata.ts';

/** What a table would use. */
export interface Probe extends ClientOptions {
  readonly topics: readonly string[];
  readonly groupId: string;
}

/** How long a topic that was made a moment ago may not be known to every broker, and a group has no coordinator in a cluster that has just started. */
const TOPIC_RETRIES = 4;
const RETRY_MS = 250;
/** So many brokers are asked: a list, or a broker that names others, may be of any length. */
const MOST_BROKERS = 32;

/**
 * Goes the way that a consumer of the table goes, to its end but without joining the group: names, connections, TLS, SASL, topics, group. Throws
 * `KafkaFailure` with the first step that fails. One broker of the list that answers is enough; the log names those that do not, when they are known.
 * Answers whether the topics may be read; false: they may be written to only.
 */
export async function probeKafka(probe: Probe, patience: Patience, logger: Logger): Promise<boolean> {
  const end = new AbortController();
  const whileWanted = { ...patience, signal: AbortSignal.any([patience.signal, end.signal]) };
  const attempts = probe.brokers
    .slice(0, MOST_BROKERS)
    .map(async (text) => BrokerSession.open(addressOf(text), probe, whileWanted, logger));
  try {
    const session = await firstOf(attempts);
    const isReadable = await probeCluster(session, probe, whileWanted, logger);
    tellSilent(attempts, logger);
    return isReadable;
  } catch (error) {
    end.abort();
    throw error;
  } finally {
    for (const attempt of attempts) void attempt.then(close, () => undefined);
  }
}

function close(session: BrokerSession): void {
  session.close();
}

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw new KafkaFailure({
    step: 'settings',
    broker: undefined,
    reason: `'${text}' in kafka_broker_list is no address`,
    advice: 'Brokers are written host:port, with commas between them',
  });
}

/** The broker that lets us in first. When none does, the failure of the one that was closest to it, and the others'. */
async function firstOf(attempts: readonly Promise<BrokerSession>[]): Promise<BrokerSession> {
  try {
    return await Promise.any(attempts);
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    throw closest(error.errors as readonly KafkaFailure[]);
  }
}

const MOST_OTHERS = 4;

function closest(failures: readonly KafkaFailure[]): KafkaFailure {
  const [first, ...others] = [...failures].sort((a, b) => KAFKA_STEPS.indexOf(b.step) - KAFKA_STEPS.indexOf(a.step));
  if (first === undefined) throw new TypeError('no broker was tried');
  if (others.length === 0) return first;
  const named = others.slice(0, MOST_OTHERS).map(({ step, broker, reason }) => `${broker ?? 'another one'} (step ${step}: ${reason})`);
  const reason = `${first.reason}; nor does any other broker let us in: ${named.join(', ')}${others.length > MOST_OTHERS ? ', …' : ''}`;
  return new KafkaFailure({ ...told(first), reason }, { cause: first });
}

function tellSilent(attempts: readonly Promise<BrokerSession>[], logger: Logger): void {
  for (const attempt of attempts) {
    attempt.catch((error: unknown) => {
      const { broker, step, reason } = error as KafkaFailure;
      logger.warn({ broker, step, reason }, 'broker of the list does not answer, others do');
    });
  }
}

async function probeCluster(session: BrokerSession, probe: Probe, patience: Patience, logger: Logger): Promise<boolean> {
  const view = await describedTopics(session, probe, patience.signal);
  const isReadable = checkTopics(view, session);
  if (!isReadable) logger.info({ topics: probe.topics }, 'the topics may be written to and not be read');
  await Promise.all([
    probeLeaders(view, session, probe, patience, logger),
    isReadable ? probeGroup(view, session, probe, patience, logger) : undefined,
  ]);
  return isReadable;
}

async function describedTopics(session: BrokerSession, { topics }: Probe, signal: AbortSignal): Promise<ClusterView> {
  for (let attempt = 0; ; attempt += 1) {
    const view = await session.ask('metadata', async (broker) => readCluster(broker, topics, { withOperations: true }));
    const mayCome = view.topics.some(({ errorCode }) => errorCode === UNKNOWN_TOPIC || errorCode === LEADER_NOT_AVAILABLE);
    if (!mayCome || attempt >= TOPIC_RETRIES) return view;
    await pause(RETRY_MS, signal);
  }
}

/** Whether all topics may be read; false: they may be written to only. */
function checkTopics(view: ClusterView, session: BrokerSession): boolean {
  const missing = view.topics.filter(({ errorCode }) => errorCode === UNKNOWN_TOPIC).map(({ name }) => name);
  if (missing.length > 0) throw missingTopics(missing, '', session.address);
  const refused = (errorCode: number, name: string): KafkaFailure => about(name, session.failure('topic', brokerError(errorCode)));
  for (const { name, errorCode, leaders } of view.topics) if (errorCode !== 0 && leaders.length === 0) throw refused(errorCode, name);
  const unreadable = view.topics.find(({ operations }) => !isAllowed(operations, READ));
  if (unreadable === undefined) return true;
  if (view.topics.every(({ operations }) => isAllowed(operations, WRITE))) return false;
  throw refused(TOPIC_AUTHORIZATION_FAILED, unreadable.name);
}

/** Brokers are reached under the addresses that they advertise, not those of the list. */
async function probeLeaders(
  { brokers, topics }: ClusterView,
  session: BrokerSession,
  probe: Probe,
  patience: Patience,
  logger: Logger,
): Promise<void> {
  const security = knownSecurity(probe);
  const leaders = new Set(topics.flatMap((topic) => topic.leaders.flatMap((id) => brokers.get(id) ?? [])));
  const others = [...leaders].filter((leader) => leader !== session.address).slice(0, MOST_BROKERS);
  const greeted = await Promise.allSettled(others.map(async (leader) => greetAdvertised(leader, session, security, patience)));
  const failures = greeted.flatMap((one) => (one.status === 'rejected' ? [one.reason as KafkaFailure] : []));
  const [first] = failures;
  if (first !== undefined && failures.length === others.length && !leaders.has(session.address)) throw first;
  for (const { broker, step, reason } of failures) logger.warn({ broker, step, reason }, 'a broker that leads partitions does not answer');
}

async function greetAdvertised(text: string, session: BrokerSession, security: Security, patience: Patience): Promise<void> {
  const address = parseAddress(text);
  if (address === undefined) return;
  try {
    await greet(address, security, patience);
  } catch (error) {
    throw advertised(error, text, session);
  }
}

/** Both addresses are named: the one that was given answers, so that one would not look for the other. */
function advertised(error: unknown, text: string, { address }: BrokerSession): unknown {
  if (!(error instanceof KafkaFailure) || text === address) return error;
  const broker = `${text}, an address that broker ${address} advertises`;
  const advice =
    "Clients are told to use that address (advertised.listeners in the broker's configuration): it must be one that the gateway can reach";
  return new KafkaFailure({ ...told(error), broker, advice }, { cause: error });
}

async function probeGroup(
  { brokers }: ClusterView,
  session: BrokerSession,
  probe: Probe,
  patience: Patience,
  logger: Logger,
): Promise<void> {
  const nodeId = await findCoordinator(session, probe.groupId, patience.signal);
  const text = brokers.get(nodeId) ?? session.address;
  const address = parseAddress(text);
  if (address === undefined) return;
  const coordinator = text === session.address ? session : await openAdvertised(address, text, session, probe, patience, logger);
  try {
    const operations = await coordinator.ask('group', async (broker) => readGroupOperations(broker, probe.groupId));
    if (isAllowed(operations, READ)) return;
    throw coordinator.failure('group', brokerError(GROUP_AUTHORIZATION_FAILED));
  } catch (error) {
    throw ofGroup(error, probe.groupId);
  } finally {
    if (coordinator !== session) coordinator.close();
  }
}

async function openAdvertised(
  address: Address,
  text: string,
  session: BrokerSession,
  probe: Probe,
  patience: Patience,
  logger: Logger,
): Promise<BrokerSession> {
  try {
    return await BrokerSession.open(address, probe, patience, logger);
  } catch (error) {
    throw advertised(error, text, session);
  }
}

const STARTING: readonly (string | undefined)[] = ['GROUP_COORDINATOR_NOT_AVAILABLE', 'GROUP_LOAD_IN_PROGRESS'];

/** In a cluster that has just started the first question makes the topic of offsets: it is asked again as long as there is time. */
async function findCoordinator(session: BrokerSession, groupId: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    try {
      const { coordinator } = await session.ask('group', async (broker) =>
        (broker as unknown as CoordinatingBroker).findGroupCoordinator({ groupId, coordinatorType: GROUP }),
      );
      return coordinator.nodeId;
    } catch (error) {
      const isStarting = error instanceof KafkaFailure && STARTING.includes(error.type);
      if (!isStarting || signal.aborted) throw ofGroup(error, groupId);
      await pause(RETRY_MS, signal);
    }
  }
}

function ofGroup(error: unknown, groupId: string): unknown {
  if (!(error instanceof KafkaFailure) || error.step !== 'group') return error;
  return about(groupId, error);
}

function about(name: string, failure: KafkaFailure): KafkaFailure {
  return new KafkaFailure({ ...told(failure), reason: `${failure.reason}: ${name}` });
}
