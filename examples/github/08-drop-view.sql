DROP VIEW KafkaEngine.github_mv;
