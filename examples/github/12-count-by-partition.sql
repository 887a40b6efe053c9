SELECT topic, partition, count()
FROM KafkaEngine.github
GROUP BY topic, partition
ORDER BY topic, partition;
