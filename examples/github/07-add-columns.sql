ALTER TABLE KafkaEngine.github
    ADD COLUMN topic String,
    ADD COLUMN partition UInt64;
