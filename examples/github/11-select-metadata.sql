SELECT actor_login, event_type, created_at, topic, partition
FROM KafkaEngine.github
WHERE topic != ''
LIMIT 10;
