INSERT INTO KafkaEngine.github_queue SELECT * EXCEPT (topic, partition) FROM KafkaEngine.github LIMIT 100 FORMAT JSONEachRow;
