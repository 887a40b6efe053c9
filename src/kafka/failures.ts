import { ReachError } from '../reach/index.ts';
import { describeKafkaError, innermost, isTlsFailure, KafkaError, REFUSALS, RESOLUTION_FAILURES, type ErrorFields } from './errors.ts';

/** What happens, in this order, until a topic can be read. */
export const KAFKA_STEPS = ['settings', 'resolve', 'connect', 'tls', 'protocol', 'sasl', 'metadata', 'topic', 'group'] as const;
export type KafkaStep = (typeof KAFKA_STEPS)[number];

interface Told {
  readonly step: KafkaStep;
  /** `host:port`, with more about it perhaps; undefined when no broker is to blame, or it is not known which. */
  readonly broker: string | undefined;
  /** Kafka's name of the broker's error; undefined when there is none. */
  readonly type?: string | undefined;
  /** In the words of the system or of the broker. */
  readonly reason: string;
  /** What to look at or to change, as a sentence without its full stop. */
  readonly advice: string;
}

/** A step that failed, in one sentence or two: which one, at which broker, why, and what to change. */
export class KafkaFailure extends Error implements Told {
  override readonly name = 'KafkaFailure';
  readonly step: KafkaStep;
  readonly broker: string | undefined;
  readonly type: string | undefined;
  readonly reason: string;
  readonly advice: string;

  constructor({ step, broker, type, reason, advice }: Told, options?: { readonly cause?: unknown }) {
    super(`step ${step} failed${broker === undefined ? '' : ` at broker ${broker}`}: ${reason}. ${advice}`, options);
    this.step = step;
    this.broker = broker;
    this.type = type;
    this.reason = reason;
    this.advice = advice;
  }
}

/** What it tells, for another one that tells a part of it differently. */
export function told({ step, broker, type, reason, advice }: KafkaFailure): Told {
  return { step, broker, type, reason, advice };
}

/** What is known of the moment in which an error came up; the error itself may know better. */
export interface Moment {
  readonly step: KafkaStep;
  readonly broker: string;
  readonly hasTls: boolean;
  readonly hasSasl: boolean;
}

/** What failed, from an error that a client of Kafka threw at a known moment. */
export function failureAt(error: unknown, moment: Moment): KafkaFailure {
  if (error instanceof KafkaFailure) return error;
  if (error instanceof ReachError) return settingsFailure(error);
  const { prefix, fields } = unwrapped(error);
  const step = stepOf(fields) ?? moment.step;
  return new KafkaFailure(
    {
      step,
      broker: moment.broker,
      type: typeof fields.type === 'string' ? fields.type : undefined,
      reason: prefix + reasonOf(fields),
      advice: adviceFor(step, fields, moment),
    },
    { cause: error },
  );
}

/** Nothing was connected to: the settings do not fit together, or the operator does not allow what they name. */
export function settingsFailure(error: unknown): KafkaFailure {
  if (error instanceof KafkaFailure) return error;
  const { message } = innermost(error);
  const [, reason = message.replace(/\.$/, ''), advice = ADVICE_BY_STEP.settings] = /^(.*)\. (Ask [^.]*)$/s.exec(message) ?? [];
  return new KafkaFailure({ step: 'settings', broker: undefined, reason, advice }, { cause: error });
}

/** The same sentences for an error of a running client; as `describeKafkaError` where it does not tell which step failed. */
export function explainKafkaError(error: unknown): string {
  if (error instanceof KafkaFailure) return error.message;
  const { prefix, fields } = unwrapped(error);
  const step = stepOf(fields) ?? (isTransport(fields) ? 'connect' : undefined);
  if (step === undefined) return describeKafkaError(error);
  const broker = typeof fields.broker === 'string' ? fields.broker : undefined;
  return new KafkaFailure({ step, broker, reason: prefix + reasonOf(fields), advice: adviceFor(step, fields) }).message;
}

/** Topics of a table that are not there. `more`: about them, behind their names; `broker`: who said so. */
export function missingTopics(topics: readonly string[], more = '', broker?: string): KafkaFailure {
  const reason = `Broker: Unknown topic or partition: ${topics.join(', ')}${more}`;
  return new KafkaFailure({ step: 'topic', broker, reason, advice: ADVICE_BY_TYPE['UNKNOWN_TOPIC_OR_PARTITION'] ?? '' });
}

/** The error behind errors of ours, and what those have put in front of its text. */
function unwrapped(error: unknown): { readonly prefix: string; readonly fields: ErrorFields } {
  if (!(error instanceof KafkaError) || error.cause === undefined) return { prefix: '', fields: innermost(error) };
  const inside = unwrapped(error.cause);
  const described = describeKafkaError(error.cause);
  const own = error.message.endsWith(described) ? error.message.slice(0, -described.length) : '';
  return { prefix: own + inside.prefix, fields: inside.fields };
}

const STEP_BY_TYPE: Readonly<Record<string, KafkaStep>> = {
  SASL_AUTHENTICATION_FAILED: 'sasl',
  UNSUPPORTED_SASL_MECHANISM: 'sasl',
  ILLEGAL_SASL_STATE: 'sasl',
  UNKNOWN_TOPIC_OR_PARTITION: 'topic',
  INVALID_TOPIC_EXCEPTION: 'topic',
  TOPIC_AUTHORIZATION_FAILED: 'topic',
  GROUP_AUTHORIZATION_FAILED: 'group',
  INVALID_GROUP_ID: 'group',
  GROUP_COORDINATOR_NOT_AVAILABLE: 'group',
};

/** Where the error alone tells it. */
function stepOf(fields: ErrorFields): KafkaStep | undefined {
  const { name, type, code } = fields;
  if (typeof type === 'string') return STEP_BY_TYPE[type];
  if (RESOLUTION_FAILURES.includes(code)) return 'resolve';
  if (isTlsFailure(fields)) return 'tls';
  if (name === 'KafkaJSSASLAuthenticationError') return 'sasl';
  return code === 'ECONNREFUSED' ? 'connect' : undefined;
}

function isTransport({ name }: ErrorFields): boolean {
  return ['KafkaJSConnectionError', 'KafkaJSConnectionClosedError', 'KafkaJSNoBrokerAvailableError', 'KafkaJSRequestTimeoutError'].includes(
    name,
  );
}

function reasonOf(fields: ErrorFields): string {
  const { name, type, code, message } = fields;
  if (typeof type === 'string') return describeKafkaError(fields);
  if (RESOLUTION_FAILURES.includes(code)) {
    return code === 'EAI_AGAIN' ? 'the name server does not answer (EAI_AGAIN)' : `the name is not known (${String(code)})`;
  }
  if (name === 'KafkaJSSASLAuthenticationError') return `SASL Authentication failed: ${message}`;
  const plain = /SSL routines:[^:]*:([^:]+)/.exec(message)?.[1] ?? message.replace(/^Connection error: /, '');
  return REFUSALS[String(code)] ?? (plain === '' ? name : plain);
}

// ── what to change ──

const LISTENER_WANTS_TLS = "If this port speaks TLS, set kafka_security_protocol = 'ssl' or 'sasl_ssl'";
const LISTENER_WANTS_SASL =
  "If this port asks for credentials, set kafka_security_protocol = 'sasl_plaintext' or 'sasl_ssl', kafka_sasl_mechanism, kafka_sasl_username and kafka_sasl_password";
const LISTENER_HAS_NO_TLS =
  "If this port speaks no TLS, name the broker's TLS port in kafka_broker_list or set kafka_security_protocol = 'plaintext' or 'sasl_plaintext'";
const CHECK_BROKER_LIST = 'Check host and port in kafka_broker_list, and that the broker runs there';

const ADVICE_BY_TYPE: Readonly<Record<string, string>> = {
  SASL_AUTHENTICATION_FAILED: 'Check kafka_sasl_username and kafka_sasl_password',
  UNSUPPORTED_SASL_MECHANISM: 'Set kafka_sasl_mechanism to one that the broker enables (sasl.enabled.mechanisms)',
  ILLEGAL_SASL_STATE: "This port asks for no credentials: set kafka_security_protocol = 'plaintext' or 'ssl', or name another port",
  UNKNOWN_TOPIC_OR_PARTITION: 'Create it, or correct kafka_topic_list',
  INVALID_TOPIC_EXCEPTION: 'Correct kafka_topic_list: a name has up to 249 letters, digits, dots, dashes and underscores',
  TOPIC_AUTHORIZATION_FAILED: 'Allow the user the operations DESCRIBE and READ on the topic, or use other credentials',
  GROUP_AUTHORIZATION_FAILED: 'Allow the user the operation READ on the group, or change kafka_group_name',
  INVALID_GROUP_ID: 'Correct kafka_group_name: it may not be empty',
  GROUP_COORDINATOR_NOT_AVAILABLE: 'The cluster is starting, or cannot make its topic __consumer_offsets: try again, or look at its log',
};

const ADVICE_BY_STEP: Readonly<Record<KafkaStep, string>> = {
  settings: 'Correct the settings of the table',
  resolve: "Correct the host in kafka_broker_list, or make it known to the gateway's machine",
  connect: CHECK_BROKER_LIST,
  tls: "Check the settings kafka_ssl_… and the broker's listener",
  protocol: `${CHECK_BROKER_LIST}. ${LISTENER_WANTS_TLS}`,
  sasl: 'Check kafka_sasl_mechanism, kafka_sasl_username and kafka_sasl_password',
  metadata: "Look at the broker's log",
  topic: 'Check kafka_topic_list',
  group: 'Check kafka_group_name',
};

function adviceFor(step: KafkaStep, fields: ErrorFields, moment?: Moment): string {
  const { type } = fields;
  const byType = typeof type === 'string' ? ADVICE_BY_TYPE[type] : undefined;
  if (byType !== undefined) return byType;
  if (step === 'tls') return adviceForTls(fields);
  if (moment === undefined || !isClosed(fields)) return ADVICE_BY_STEP[step];
  if (!moment.hasTls && step === 'protocol') return LISTENER_WANTS_TLS;
  return !moment.hasSasl && step === 'metadata' ? LISTENER_WANTS_SASL : ADVICE_BY_STEP[step];
}

function isClosed({ name, code, message }: ErrorFields): boolean {
  return name === 'KafkaJSConnectionClosedError' || code === 'ECONNRESET' || code === 'EPIPE' || message === CLOSED;
}

/** What is said of a broker that ends a connection without an answer. */
export const CLOSED = 'the broker closed the connection without an answer';

const TLS_ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /ERR_TLS_CERT_ALTNAME_INVALID/,
    "Name the broker in kafka_broker_list as its certificate does, or set kafka_ssl_endpoint_identification_algorithm = 'none'",
  ],
  [/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/, "Renew the broker's certificate, and check the clocks"],
  [
    /alert|ALERT/,
    'The broker refuses us, as it does who has no client certificate that it knows: set kafka_ssl_certificate_pem and kafka_ssl_key_pem',
  ],
  [/WRONG_VERSION|PACKET_LENGTH|wrong version|packet length|before secure TLS/, LISTENER_HAS_NO_TLS],
  [/SELF_SIGNED|UNABLE_TO|CERT/, "Name the authority that the broker's certificate comes from in kafka_ssl_ca_pem"],
];

function adviceForTls({ code, message }: ErrorFields): string {
  const seen = `${String(code)} ${message}`;
  return TLS_ADVICE.find(([pattern]) => pattern.test(seen))?.[1] ?? ADVICE_BY_STEP.tls;
}

/** A silence: nothing came before the time was over. */
export function silence(moment: Moment, timeoutMs: number): KafkaFailure {
  const advice: Partial<Record<KafkaStep, string>> = {
    connect: 'Check host and port in kafka_broker_list, and that no firewall is between the gateway and the broker',
    protocol: moment.hasTls ? ADVICE_BY_STEP.protocol : `Is this a port of Kafka's? ${LISTENER_WANTS_TLS}`,
    tls: LISTENER_HAS_NO_TLS,
  };
  const { step, broker } = moment;
  return new KafkaFailure({ step, broker, reason: `no answer within ${timeoutMs} ms`, advice: advice[step] ?? ADVICE_BY_STEP[step] });
}

/** Bytes that no broker sends in the place of an answer. */
export function garbled(start: Buffer, moment: Moment): KafkaFailure {
  const isTls = !moment.hasTls && start[0] === 0x15 && start[1] === 0x03;
  const reason = isTls
    ? 'it answers in TLS'
    : `its answer is not Kafka's protocol (it begins with ${JSON.stringify(start.toString('latin1', 0, 8))})`;
  const advice = isTls ? LISTENER_WANTS_TLS : "Name a port of Kafka's in kafka_broker_list";
  return new KafkaFailure({ step: 'protocol', broker: moment.broker, reason, advice });
}

/** The broker speaks SASL, and not with this mechanism. */
export function unknownMechanism(mechanism: string, enabled: readonly string[], { broker }: Moment): KafkaFailure {
  const reason = `the mechanism ${mechanism} is not enabled at this broker, which enables ${enabled.join(', ') || 'none'}`;
  return new KafkaFailure({
    step: 'sasl',
    broker,
    reason,
    advice: `Set kafka_sasl_mechanism to ${enabled.join(' or ') || 'an enabled one'}`,
  });
}
