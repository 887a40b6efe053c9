import test from 'ava';
import kafkajs from 'kafkajs';
import { describeKafkaError, KafkaError } from '../../src/kafka/errors.ts';

function refusedBy(broker: string): Error {
  return new kafkajs.KafkaJSConnectionError('Connection error: connect ECONNREFUSED', { broker, code: 'ECONNREFUSED' });
}

const described = test.macro({
  exec: (t, error: unknown, sentence: string) => {
    t.is(describeKafkaError(error), sentence);
  },
  title: (_, __, sentence: string) => `told as: ${sentence}`,
});

test(described, refusedBy('k1:9092'), 'Local: Broker transport failure: k1:9092: Connection refused');
test(described, wrapped(refusedBy('k2:9092')), 'Local: Broker transport failure: k2:9092: Connection refused');
test(
  described,
  new kafkajs.KafkaJSConnectionError('Connection error: getaddrinfo ENOTFOUND nowhere', { broker: 'nowhere:9092', code: 'ENOTFOUND' }),
  'Local: Host resolution failure: nowhere:9092: getaddrinfo ENOTFOUND nowhere',
);
test(
  described,
  new kafkajs.KafkaJSConnectionError('Connection error: self-signed certificate', {
    broker: 'k:9093',
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  }),
  'Local: SSL error: k:9093: self-signed certificate',
);
test(
  described,
  new kafkajs.KafkaJSConnectionError('Connection timeout', { broker: 'k:9092' }),
  'Local: Broker transport failure: k:9092: Connection timeout',
);
test(
  described,
  Object.assign(new Error('SASL PLAIN authentication failed: Bad'), { name: 'KafkaJSSASLAuthenticationError' }),
  'Local: Authentication failure: SASL PLAIN authentication failed: Bad',
);
test(described, brokerError('UNKNOWN_TOPIC_OR_PARTITION'), 'Broker: Unknown topic or partition');
test(described, brokerError('SOMETHING_NEW', 'the new thing'), 'Broker: the new thing');
test(described, new Error('plain'), 'plain');
test(described, 'text', 'text');
test(described, new KafkaError(refusedBy('k:9092'), 'first: '), 'first: Local: Broker transport failure: k:9092: Connection refused');

function brokerError(type: string, message = 'kafkajs says'): Error {
  return Object.assign(new Error(message), { name: 'KafkaJSProtocolError', type, code: 1 });
}

/** As kafkajs does when its retries are used up. */
function wrapped(cause: Error): Error {
  return Object.assign(new Error(cause.message, { cause }), { name: 'KafkaJSNumberOfRetriesExceeded' });
}
