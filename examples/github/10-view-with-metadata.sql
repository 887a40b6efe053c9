CREATE MATERIALIZED VIEW KafkaEngine.github_mv TO KafkaEngine.github AS
SELECT *, _topic AS topic, _partition AS partition
FROM KafkaEngine.github_queue;
