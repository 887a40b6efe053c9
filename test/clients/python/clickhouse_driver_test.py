"""Runs one scenario of clickhouse-driver against a server: python clickhouse_driver_test.py <scenario> <port> <database> [<engine>]. Ends with 0 when it holds."""

import sys
import time

from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

ROWS = 200_000


def volume(client, _connect):
    columns = "id UInt64, s String, tags Array(LowCardinality(String)), n Nullable(Int64), p Tuple(UInt8, String)"
    client.execute(f"CREATE OR REPLACE TABLE driver_t ({columns}) ENGINE = MergeTree ORDER BY id")
    rows = ((i, f"row {i}", ["a", "b"][: i % 3], None if i % 2 else i, (i % 7, "x")) for i in range(ROWS))
    assert client.execute("INSERT INTO driver_t VALUES", rows) == ROWS
    result = client.execute("SELECT id, s FROM driver_t ORDER BY id")
    assert len(result) == ROWS and result[-1] == (ROWS - 1, f"row {ROWS - 1}")
    assert sum(1 for _ in client.execute_iter("SELECT id FROM driver_t")) == ROWS
    client.execute("DROP TABLE driver_t")


def parameters(client, connect):
    word = "it's \\ \t"
    assert client.execute("SELECT %(word)s", {"word": word}) == [(word,)]
    server_side = connect(settings={"server_side_params": True})
    assert server_side.execute("SELECT {word:String}", {"word": word}) == [(word,)]
    assert client.execute("SELECT getSetting('max_block_size')", settings={"max_block_size": 77}) == [(77,)]


def external_table(client, _connect):
    table = {"name": "ext", "structure": [("x", "Int32"), ("y", "Array(Int32)")], "data": [{"x": 1, "y": [2, 4]}, {"x": 5, "y": []}]}
    assert client.execute("SELECT sum(x), sum(length(y)) FROM ext", external_tables=[table]) == [(6, 2)]


def failures(client, _connect):
    for statement, code in (("SELECT * FROM no_such_table", 60), ("SELECT nope", 47), ("SELEC 1", 62)):
        try:
            client.execute(statement)
        except ServerException as error:
            assert error.code == code, error
        else:
            raise AssertionError(f"{statement} succeeded")
    assert client.execute("SELECT 1") == [(1,)]


def cancellation(client, connect):
    progress = client.execute_with_progress("SELECT count() AS cancelled_by_driver FROM system.numbers")
    next(iter(progress))
    client.cancel()
    running = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT count() AS cancelled_by_driver%'"
    other = connect()
    deadline = time.monotonic() + 20
    while other.execute(running) != [(0,)]:
        assert time.monotonic() < deadline, "the query still runs"
        time.sleep(0.05)
    assert client.execute("SELECT 1") == [(1,)]


def kafka(client, _connect):
    """The topic holds 100 messages; the engine's clause comes on the command line."""
    for name in ("view", "target", "queue"):
        client.execute(f"DROP TABLE IF EXISTS {name}")
    client.execute(f"CREATE TABLE queue (id UInt64, name String) {sys.argv[4]}")
    client.execute("CREATE TABLE target (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
    client.execute("CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue")
    [(statement,)] = client.execute("SHOW CREATE TABLE queue")
    assert "ENGINE = Kafka" in statement, statement
    assert [column[:2] for column in client.execute("DESCRIBE TABLE queue")][:2] == [("id", "UInt64"), ("name", "String")]
    try:
        client.execute("SELECT * FROM queue")
    except ServerException as error:
        assert error.code == 620, error
    else:
        raise AssertionError("a Kafka table was read directly")
    arrive(client, 100)
    # What is written to the table comes back through its topic.
    assert client.execute("INSERT INTO queue VALUES", [(i, f"n{i}") for i in range(100, 150)]) == 50
    assert client.execute("INSERT INTO queue (name, id) VALUES", [(f"n{i}", i) for i in range(150, 200)]) == 50
    arrive(client, 200)


def arrive(client, expected):
    """Waits until the ids 0 to expected - 1 are in the target."""
    deadline = time.monotonic() + 90
    while client.execute("SELECT count(), sum(id) FROM target") != [(expected, expected * (expected - 1) // 2)]:
        assert time.monotonic() < deadline, "the rows did not arrive"
        time.sleep(0.05)


SCENARIOS = {
    "volume": volume,
    "parameters": parameters,
    "external_table": external_table,
    "failures": failures,
    "cancellation": cancellation,
    "kafka": kafka,
}


def main():
    scenario, port, database = sys.argv[1:4]
    for compression in (False,) if scenario == "kafka" else (False, "lz4", "zstd"):

        def connect(**options):
            return Client("127.0.0.1", int(port), database=database, compression=compression, **options)

        SCENARIOS[scenario](connect(), connect)


main()
