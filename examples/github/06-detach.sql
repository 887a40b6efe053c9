DETACH TABLE KafkaEngine.github_queue;
