CREATE MATERIALIZED VIEW KafkaEngine.github_mv TO KafkaEngine.github AS
SELECT *
FROM KafkaEngine.github_queue;
