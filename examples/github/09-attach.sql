ATTACH TABLE KafkaEngine.github_queue;
