import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import kafkajs, { Kafka, logLevel, type Admin, type GroupDescription, type Message, type Producer } from 'kafkajs';
import { installOnce } from './cache.ts';
import { makeFolder, removeFolder } from './folder.ts';
import { freePort } from './ports.ts';
import { runCommand, startProcess, type RunningProcess } from './process.ts';
import { waitFor } from './wait-for.ts';

const HERE = fileURLToPath(new URL('./kafka/', import.meta.url));
const RETRY_MS = 20_000;
const RETRY_PAUSE_MS = 100;

export interface KafkaOptions {
  /** Free port when absent. */
  readonly port?: number;
  /** More lines of `server.properties`; they win over ours. */
  readonly properties?: Readonly<Record<string, string>>;
  /** More arguments of `StorageTool format`. */
  readonly formatArguments?: readonly string[];
  /** More options of the broker's `java`. */
  readonly javaOptions?: readonly string[];
  /** Java sources that the broker can load the classes of. */
  readonly javaSources?: readonly string[];
}

/** What a consumer group has committed for one partition. */
export interface GroupOffset {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to read; -1 when nothing is committed. */
  readonly offset: bigint;
  readonly metadata: string;
}

export interface PartitionOffsets {
  readonly partition: number;
  /** Oldest offset still there. */
  readonly low: bigint;
  /** Offset that the next message will get. */
  readonly high: bigint;
}

export interface GroupMember {
  readonly memberId: string;
  readonly clientId: string;
  readonly clientHost: string;
}

export type WithAdmin = <T>(work: (admin: Admin) => Promise<T>) => Promise<T>;

/** A Kafka broker of the test's own, or the user's own cluster (`KAFKA_BROKERS`). */
export interface KafkaPart {
  /** `127.0.0.1:<port>`, as in `kafka_broker_list`. */
  readonly brokers: string;
  readonly port: number;
  /** Process id of the broker; 0 for one that is not ours. Changes with `restart`. */
  readonly pid: number;
  /** Settled when every partition has a leader. `config`: topic settings such as `message.timestamp.type`. */
  createTopic(name: string, partitions?: number, config?: Readonly<Record<string, string>>): Promise<void>;
  deleteTopic(name: string): Promise<void>;
  /** Adds partitions until there are `count`. */
  addPartitions(topic: string, count: number): Promise<void>;
  /** Sends messages (a string is a value) and answers when the broker has all of them. In order within a partition. */
  produce(topic: string, messages: readonly (string | Message)[]): Promise<void>;
  groupOffsets(group: string): Promise<GroupOffset[]>;
  groupMembers(group: string): Promise<GroupMember[]>;
  /** `Stable`, `Empty`, `Dead`, `PreparingRebalance`, …, Kafka's own word. */
  groupState(group: string): Promise<string>;
  endOffsets(topic: string): Promise<PartitionOffsets[]>;
  /** For what the functions above do not do: a connected admin for the time of `work`. */
  withAdmin: WithAdmin;
  /** A producer of its own, connected; the caller disconnects it. */
  producer(...options: Parameters<Kafka['producer']>): Promise<Producer>;
  /** What the broker printed, warnings mostly. */
  output(): string;
  /** Ends the broker and removes its data. Does nothing to a broker that is not ours. */
  stop(): Promise<void>;
  /** SIGKILL; data stay. `restart` brings it back. */
  kill(): Promise<void>;
  /** Ends the broker if it runs and starts it again on the same port and data. */
  restart(): Promise<void>;
}

/** Starts Apache Kafka 4.1 (one node, KRaft; jars fetched by Maven on first use), or answers the cluster that `KAFKA_BROKERS` names. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaPart> {
  const own = process.env['KAFKA_BROKERS'];
  return own !== undefined && own !== '' ? reachableKafka(own) : startOwnKafka(options);
}

async function reachableKafka(brokers: string): Promise<KafkaPart> {
  await isServing(brokers).catch((error: unknown) => {
    throw new Error(`KAFKA_BROKERS names ${brokers}, which does not answer: ${(error as Error).message}`, { cause: error });
  });
  return existingKafka(brokers);
}

/** The same interface over a cluster that somebody else started and will stop. */
export function existingKafka(brokers: string): KafkaPart {
  const refuse = (what: string) => async (): Promise<void> =>
    Promise.reject(new Error(`cannot ${what} Kafka at ${brokers}: it was not started by this test`));
  return {
    brokers,
    port: Number(brokers.split(',')[0]?.split(':')[1] ?? 9092),
    pid: 0,
    ...topicsAndGroups(brokers),
    output: () => '',
    stop: async () => Promise.resolve(),
    kill: refuse('kill'),
    restart: refuse('restart'),
  };
}

/** Starts a broker of our own even when `KAFKA_BROKERS` is set: for tests that kill it or need their own settings. */
export async function startOwnKafka(options: KafkaOptions = {}): Promise<KafkaPart> {
  const install = await installOnce({
    name: 'kafka',
    files: [join(HERE, 'pom.xml')],
    command: 'mvn',
    args: ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'],
  });
  const port = options.port ?? (await freePort());
  const folder = makeFolder('kafka');
  const broker = new Broker(folder, port, join(install, 'lib', '*'), options.javaOptions);
  try {
    await broker.compile(options.javaSources ?? []);
    await broker.format(options.properties ?? {}, options.formatArguments ?? []);
    await broker.start();
  } catch (error) {
    removeFolder(folder);
    throw error;
  }
  return {
    brokers: broker.address,
    port,
    get pid() {
      return broker.process.pid;
    },
    ...topicsAndGroups(broker.address),
    output: () => broker.process.output(),
    stop: async () => {
      await broker.process.kill();
      removeFolder(folder);
    },
    kill: async () => broker.process.kill(),
    restart: async () => {
      // A broker that is asked to end waits for its own controller to leave: 10 s for nothing. Its log recovers from a kill.
      await broker.process.kill();
      await broker.start();
    },
  };
}

/** One broker's files and process. */
class Broker {
  readonly address: string;
  readonly #folder: string;
  readonly #port: number;
  readonly #classPath: string;
  readonly #javaOptions: readonly string[];
  #process: RunningProcess | undefined;

  constructor(folder: string, port: number, libraries: string, javaOptions: readonly string[] = []) {
    this.address = `127.0.0.1:${port}`;
    this.#folder = folder;
    this.#port = port;
    this.#classPath = `${libraries}:${folder}`;
    this.#javaOptions = javaOptions;
  }

  get process(): RunningProcess {
    if (this.#process === undefined) throw new Error('the broker was never started');
    return this.#process;
  }

  async compile(sources: readonly string[]): Promise<void> {
    if (sources.length > 0) await runCommand('javac', ['-cp', this.#classPath, '-d', this.#folder, ...sources], this.#folder);
  }

  /** Writes `server.properties` and the storage's identity. */
  async format(properties: Readonly<Record<string, string>>, more: readonly string[]): Promise<void> {
    const all = { ...serverProperties(this.#folder, this.#port, await freePort()), ...properties };
    const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(this.#propertiesFile, lines.join(''));
    // Like Kafka's own random ids it never begins with a dash, which would be an option.
    const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A');
    await runCommand(
      'java',
      [...this.#java('64m'), 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', this.#propertiesFile, ...more],
      this.#folder,
    );
  }

  async start(): Promise<void> {
    this.#process = await startProcess({
      name: 'Kafka',
      command: 'java',
      args: [...this.#java('512m'), ...this.#javaOptions, 'kafka.Kafka', this.#propertiesFile],
      cwd: this.#folder,
      logFile: join(this.#folder, 'output.log'),
      // With data and on a busy machine a restart takes its time.
      readyTimeoutMs: 180_000,
      isReady: async () => isServing(this.address),
    });
  }

  get #propertiesFile(): string {
    return join(this.#folder, 'server.properties');
  }

  #java(heap: string): string[] {
    // One compiler tier and the serial collector: a quick start matters more here than the last tenth of throughput.
    return [`-Xmx${heap}`, '-XX:+UseSerialGC', `-Dlog4j2.configurationFile=${join(HERE, 'log4j2.properties')}`, '-cp', this.#classPath];
  }
}

function serverProperties(folder: string, port: number, controllerPort: number): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': join(folder, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    // Tests of dead members want short sessions.
    'group.min.session.timeout.ms': '1000',
    // A killed broker may come back when its old session has expired.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    'controlled.shutdown.enable': 'false',
    // Half a minute after its start a broker deletes what is older than a week, by the messages' own timestamps.
    'log.retention.ms': '-1',
  };
}

/** True when the broker is a member of its cluster and has made and loaded the topic of group offsets (asking for a group's makes it). */
async function isServing(address: string): Promise<boolean> {
  const admin = newClient(address, 0).admin();
  try {
    await admin.connect();
    const { brokers } = await admin.describeCluster();
    await admin.fetchOffsets({ groupId: 'sluice-test-warm-up' });
    return brokers.length > 0;
  } finally {
    await admin.disconnect();
  }
}

function newClient(brokers: string, retries: number): Kafka {
  return new Kafka({
    clientId: 'sluice-test',
    brokers: brokers.split(','),
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2000,
    retry: { retries, initialRetryTime: 100, maxRetryTime: 1000 },
  });
}

type TopicsAndGroups = Omit<KafkaPart, 'brokers' | 'port' | 'pid' | 'output' | 'stop' | 'kill' | 'restart'>;

function topicsAndGroups(brokers: string): TopicsAndGroups {
  const withAdmin: WithAdmin = async (work) => withAdminOf(brokers, work);
  return {
    withAdmin,
    producer: async (...options) => {
      const producer = newClient(brokers, 20).producer(...options);
      await producer.connect();
      return producer;
    },
    createTopic: async (topic, partitions = 1, config = {}) => {
      const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
      await withAdmin(async (admin) => {
        await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }] });
        await admin.fetchTopicOffsets(topic);
      });
    },
    deleteTopic: async (topic) => withAdmin(async (admin) => admin.deleteTopics({ topics: [topic] })),
    addPartitions: async (topic, count) => {
      await withAdmin(async (admin) => {
        await admin.createPartitions({ topicPartitions: [{ topic, count }] });
        // kafkajs throws messages away, without a word, whose partition the broker does not tell it of yet.
        const known = async (): Promise<number> => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions.length ?? 0;
        await waitFor(async () => (await known()) === count, { message: `topic ${topic} has ${count} partitions` });
      });
    },
    produce: async (topic, messages) => produceTo(brokers, topic, messages),
    groupOffsets: async (groupId) => {
      const topics = await withAdmin(async (admin) => admin.fetchOffsets({ groupId }));
      return topics.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset, metadata }) => ({ topic, partition, offset: BigInt(offset), metadata: metadata ?? '' })),
      );
    },
    groupMembers: async (group) => {
      const { members } = await withAdmin(async (admin) => describeGroup(admin, group));
      return members.map(({ memberId, clientId, clientHost }) => ({ memberId, clientId, clientHost }));
    },
    groupState: async (group) => (await withAdmin(async (admin) => describeGroup(admin, group))).state,
    endOffsets: async (topic) => {
      const offsets = await withAdmin(async (admin) => admin.fetchTopicOffsets(topic));
      return offsets
        .map(({ partition, low, high }) => ({ partition, low: BigInt(low), high: BigInt(high) }))
        .sort((a, b) => a.partition - b.partition);
    },
  };
}

/**
 * Runs `work` with an admin of its own: kafkajs keeps asking a shared one about every topic it ever saw, and fails once another test has
 * deleted one of them. Retries what the broker calls retriable: coordinators load and leaders move for seconds after a start.
 */
async function withAdminOf<T>(brokers: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const deadline = Date.now() + RETRY_MS;
  for (;;) {
    const admin = newClient(brokers, 20).admin();
    try {
      await admin.connect();
      return await work(admin);
    } catch (error) {
      if (!(error instanceof kafkajs.KafkaJSError && error.retriable) || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
    } finally {
      await admin.disconnect();
    }
  }
}

/** Sends with a producer of its own, for the same reason. */
async function produceTo(brokers: string, topic: string, messages: readonly (string | Message)[]): Promise<void> {
  const producer = newClient(brokers, 20).producer();
  try {
    await producer.connect();
    await producer.send({ topic, messages: messages.map((message) => (typeof message === 'string' ? { value: message } : message)) });
  } finally {
    await producer.disconnect();
  }
}

async function describeGroup(admin: Admin, group: string): Promise<GroupDescription> {
  const { groups } = await admin.describeGroups([group]);
  const [description] = groups;
  if (description === undefined) throw new Error(`the broker did not describe group ${group}`);
  return description;
}
