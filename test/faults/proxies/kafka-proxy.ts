import type { Journal } from '../journal.ts';
import {
  API,
  Frames,
  readCommit,
  readRequestHead,
  readTransactionRequest,
  refusalOfCommit,
  withSessionTimeout,
  type RequestHead,
  type TransactionRequest,
} from './kafka-frames.ts';
import { startRelay, type Inspector, type Link, type Relay } from './relay.ts';

/**
 * What happens to an OffsetCommit request.
 * `cut`: the connection breaks and the broker never sees it. `lose-answer`: the broker has it, its answer is dropped and the connection reset.
 * `refuse`: it is answered with this error of Kafka's, which the broker never sees. `hold`: it and all behind it reach the broker when `release` resolves.
 */
export type CommitRule =
  | { readonly kind: 'cut' }
  | { readonly kind: 'lose-answer' }
  | { readonly kind: 'refuse'; readonly errorCode: number }
  | { readonly kind: 'hold'; readonly release: Promise<void> };

/**
 * What happens to a request of a transaction: as above. A `hold` reaches the broker also when the producer is gone by then. `pass`: nothing, but that somebody has seen it.
 */
export type TransactionRule = Exclude<CommitRule, { readonly kind: 'refuse' }> | { readonly kind: 'pass' };

/** Between gateways and the broker. Members of groups get the session time-out that it was started with, if theirs is longer. */
export interface KafkaProxy extends Pick<Relay, 'port' | 'cut' | 'close'> {
  /** Asked for each OffsetCommit; undefined lets it pass. Undefined again: all pass. */
  rule: (() => CommitRule | undefined) | undefined;
  /** The same for each request of a producer with a transactional id. */
  transactionRule: ((request: TransactionRequest) => TransactionRule | undefined) | undefined;
  /** While this is unresolved the broker hears nothing: connections stand, and what is sent waits. */
  silence: Promise<void> | undefined;
}

type ProxyState = Pick<KafkaProxy, 'rule' | 'transactionRule' | 'silence'>;

export async function startKafkaProxy(port: number, brokerPort: number, sessionTimeoutMs: number, journal: Journal): Promise<KafkaProxy> {
  const state: ProxyState = { rule: undefined, transactionRule: undefined, silence: undefined };
  const relay = await startRelay(port, brokerPort, (link) => new Conversation(link, state, sessionTimeoutMs, journal));
  return Object.assign(state, { port, cut: relay.cut, close: relay.close });
}

class Conversation implements Inspector {
  readonly #link: Link;
  readonly #state: Readonly<ProxyState>;
  readonly #sessionTimeoutMs: number;
  readonly #journal: Journal;
  readonly #requests = new Frames();
  readonly #answers = new Frames();
  /** Correlation ids whose answers are lost. */
  readonly #toLose = new Set<number>();
  /** Commits on their way, by correlation id: for the journal. */
  readonly #commits = new Map<number, { readonly what: object; readonly version: number }>();
  #held: Buffer[] | undefined;

  constructor(link: Link, state: Readonly<ProxyState>, sessionTimeoutMs: number, journal: Journal) {
    this.#link = link;
    this.#state = state;
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#journal = journal;
  }

  fromClient(bytes: Buffer): void {
    for (const frame of this.#requests.add(bytes)) this.#request(frame);
  }

  fromServer(bytes: Buffer): void {
    for (const frame of this.#answers.add(bytes)) {
      const correlationId = frame.readInt32BE(4);
      this.#noteAnswer(correlationId, frame);
      if (this.#toLose.has(correlationId)) {
        this.#link.cut();
        return;
      }
      this.#link.outlivesClient = false;
      if (this.#link.client.destroyed) this.#link.server.destroy();
      else this.#link.client.write(frame);
    }
  }

  #request(frame: Buffer): void {
    if (this.#state.silence !== undefined) this.#holdUntil(this.#state.silence);
    const head = readRequestHead(frame);
    const ofTransaction = readTransactionRequest(frame, head);
    if (ofTransaction !== undefined && ofTransaction.transactionalId !== '') this.#transaction(frame, head, ofTransaction);
    else if (head.apiKey === API.joinGroup) this.#forward(withSessionTimeout(frame, head, this.#sessionTimeoutMs));
    else if (head.apiKey === API.offsetCommit) this.#commit(frame, head);
    else this.#forward(frame);
  }

  #forward(frame: Buffer): void {
    if (this.#held === undefined) this.#link.server.write(frame);
    else this.#held.push(frame);
  }

  #commit(frame: Buffer, head: RequestHead): void {
    const rule = this.#state.rule?.();
    const commit = readCommit(frame, head);
    const what = commit === undefined ? {} : { ...commit, topics: commit.topics.map(shortTopic) };
    if (rule === undefined) {
      this.#commits.set(head.correlationId, { what, version: head.version });
      this.#forward(frame);
      return;
    }
    this.#journal.note('commit', { ...what, rule: rule.kind });
    if (rule.kind === 'lose-answer') {
      this.#toLose.add(head.correlationId);
      this.#forward(frame);
    } else if (rule.kind === 'hold') {
      this.#holdUntil(rule.release);
      this.#forward(frame);
    } else if (rule.kind === 'refuse' && commit !== undefined) {
      this.#link.client.write(refusalOfCommit(head, commit, rule.errorCode));
    } else {
      this.#link.cut();
    }
  }

  #transaction(frame: Buffer, head: RequestHead, request: TransactionRequest): void {
    const rule = this.#state.transactionRule?.(request);
    if (request.api !== 'Produce') this.#commits.set(head.correlationId, { what: request, version: head.version });
    if (rule !== undefined) this.#journal.note('transaction', { ...request, rule: rule.kind });
    if (rule?.kind === 'cut') {
      this.#link.cut();
      return;
    }
    if (rule?.kind === 'lose-answer') this.#toLose.add(head.correlationId);
    if (rule?.kind === 'hold') {
      this.#link.outlivesClient = true;
      this.#holdUntil(rule.release);
    }
    this.#forward(frame);
  }

  #holdUntil(release: Promise<void>): void {
    if (this.#held !== undefined) return;
    this.#held = [];
    void release.then(() => {
      const held = this.#held ?? [];
      this.#held = undefined;
      if (!this.#link.server.destroyed) this.#link.server.write(Buffer.concat(held));
    });
  }

  #noteAnswer(correlationId: number, frame: Buffer): void {
    const commit = this.#commits.get(correlationId);
    if (commit === undefined) return;
    this.#commits.delete(correlationId);
    // The last partition's error code ends an answer of the versions that we read; of InitProducerId it is the epoch.
    const last = frame.readInt16BE(frame.length - 2);
    const isEpoch = 'api' in commit.what && commit.what.api === 'InitProducerId';
    this.#journal.note('commit', { ...commit.what, ...(isEpoch ? { epoch: last, error: frame.readInt16BE(12) } : { error: last }) });
  }
}

function shortTopic({
  name,
  partitions,
}: {
  name: string;
  partitions: readonly { partition: number; offset: bigint; metadata: string }[];
}): {
  name: string;
  partitions: string[];
} {
  return { name, partitions: partitions.map(({ partition, offset, metadata }) => `${partition}@${offset}${metadata && ` ${metadata}`}`) };
}
