export { createGroupConsumer } from './consumer.ts';
export { sampleTopic, type SampleLimits } from './sample.ts';
export { topicPartitions } from './topics.ts';
export { sendWithOffset, type ProducedMessage, type Transaction } from './transaction.ts';
export { describeKafkaError, KafkaError } from './errors.ts';
export { RecordBatchError } from './record-batches.ts';
export type { ClientOptions } from './client.ts';
export type * from './types.ts';
