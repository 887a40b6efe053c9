import test from 'ava';
import kafkajs from 'kafkajs';
import { addressText, parseAddress, withPort } from '../../src/kafka/address.ts';
import { KafkaError } from '../../src/kafka/errors.ts';
import { explainKafkaError, failureAt, garbled, silence, type Moment } from '../../src/kafka/failures.ts';
import { brokerError, UNKNOWN_TOPIC } from '../../src/kafka/protocol-errors.ts';

function connectionError(message: string, code?: string): Error {
  return new kafkajs.KafkaJSConnectionError(`Connection error: ${message}`, { broker: 'k:9092', ...(code !== undefined && { code }) });
}

const explained = test.macro({
  exec: (t, error: unknown, sentence: string) => {
    t.is(explainKafkaError(error), sentence);
  },
  title: (_, __, sentence: string) => `an error of a running client is told as: ${sentence}`,
});

const CHECK = 'Check host and port in kafka_broker_list, and that the broker runs there';
test(
  explained,
  connectionError('connect ECONNREFUSED', 'ECONNREFUSED'),
  `step connect failed at broker k:9092: Connection refused. ${CHECK}`,
);
test(
  explained,
  new KafkaError(new KafkaError(connectionError('read ECONNRESET', 'ECONNRESET')), 'first: '),
  `step connect failed at broker k:9092: first: Connection reset by peer. ${CHECK}`,
);
test(
  explained,
  connectionError('getaddrinfo ENOTFOUND k', 'ENOTFOUND'),
  "step resolve failed at broker k:9092: the name is not known (ENOTFOUND). Correct the host in kafka_broker_list, or make it known to the gateway's machine",
);
test(
  explained,
  connectionError('certificate has expired', 'CERT_HAS_EXPIRED'),
  "step tls failed at broker k:9092: certificate has expired. Renew the broker's certificate, and check the clocks",
);
test(
  explained,
  connectionError(
    'C0B7:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/s3_record.c:355:',
    'ERR_SSL_WRONG_VERSION_NUMBER',
  ),
  "step tls failed at broker k:9092: wrong version number. If this port speaks no TLS, name the broker's TLS port in kafka_broker_list or set kafka_security_protocol = 'plaintext' or 'sasl_plaintext'",
);
test(
  explained,
  new KafkaError(brokerError(UNKNOWN_TOPIC), 'Subscribed topic not available: t: '),
  'step topic failed: Subscribed topic not available: t: Broker: Unknown topic or partition. Create it, or correct kafka_topic_list',
);
test(explained, new Error('whatever'), 'whatever');

const MOMENT: Moment = { step: 'protocol', broker: 'k:9092', hasTls: false, hasSasl: false };

test('a failure in a known moment is of its step, unless the error tells of another one', (t) => {
  t.like(failureAt(new Error('odd'), MOMENT), { step: 'protocol', broker: 'k:9092', reason: 'odd' });
  t.like(failureAt(brokerError(29), MOMENT), { step: 'topic', type: 'TOPIC_AUTHORIZATION_FAILED' });
  t.like(failureAt(connectionError('x', 'ECONNRESET'), { ...MOMENT, step: 'tls', hasTls: true }), { step: 'tls' });
  const failure = failureAt(new Error('odd'), MOMENT);
  t.is(failureAt(failure, { ...MOMENT, step: 'group' }), failure);
});

test('an answer in TLS and one of something else are told apart', (t) => {
  t.regex(
    garbled(Buffer.from([0x15, 3, 3, 0, 2, 2, 80]), MOMENT).message,
    /it answers in TLS\. If this port speaks TLS, set kafka_security_protocol/,
  );
  t.regex(garbled(Buffer.from('SSH-2.0-OpenSSH'), MOMENT).message, /it begins with "SSH-2\.0-"/);
});

test('a silence says what may be silent', (t) => {
  t.regex(silence({ ...MOMENT, step: 'connect' }, 500).message, /no answer within 500 ms\. .*firewall/);
  t.regex(silence({ ...MOMENT, step: 'tls', hasTls: true }, 500).message, /If this port speaks no TLS/);
});

test('an address of a broker list has a host and perhaps a port', (t) => {
  t.deepEqual(parseAddress('k'), { host: 'k', port: 9092 });
  t.deepEqual(parseAddress('k.example:1'), { host: 'k.example', port: 1 });
  t.deepEqual(parseAddress('[::1]:19092'), { host: '::1', port: 19_092 });
  t.is(addressText({ host: '::1', port: 1 }), '[::1]:1');
  t.deepEqual(['k', 'k:1', '::1'].map(withPort), ['k:9092', 'k:1', '::1']);
  for (const wrong of ['', ':1', 'k:', 'k:0', 'k:65536', 'a b:1', '::1', 'http://k:1', 'k:1,']) t.is(parseAddress(wrong), undefined, wrong);
});
