SELECT count() FROM KafkaEngine.github;
