"""Runs one scenario of clickhouse-connect against a server: python clickhouse_connect_test.py <scenario> <port> <database>. Ends with 0 when it holds."""

import sys
import time

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData

ROWS = 300_000


def volume(client):
    client.command("CREATE TABLE t (id UInt64, s String) ENGINE = MergeTree ORDER BY id")
    client.insert("t", [[i, f"row {i}"] for i in range(ROWS)], column_names=["id", "s"])
    result = client.query("SELECT id, s FROM t ORDER BY id")
    assert len(result.result_rows) == ROWS
    assert result.result_rows[-1] == (ROWS - 1, f"row {ROWS - 1}")
    with client.query_row_block_stream("SELECT id FROM t") as stream:
        assert sum(len(block) for block in stream) == ROWS


def parameters_and_session(client):
    client.command("CREATE TEMPORARY TABLE tmp (a UInt8)")
    client.command("INSERT INTO tmp VALUES (1), (2)")
    result = client.query("SELECT sum(a) FROM tmp WHERE a < {limit:UInt8}", parameters={"limit": 9})
    assert result.result_rows == [(3,)]


def external_table(client):
    data = ExternalData(file_name="ext.csv", fmt="CSV", structure=["a UInt64"], data=b"1\n2\n3\n")
    assert client.query("SELECT sum(a) FROM ext", external_data=data).result_rows == [(6,)]


def errors(client):
    for statement, code in (("SELECT * FROM no_such_table", 60), ("SELECT nope", 47), ("SELEC 1", 62)):
        try:
            client.query(statement)
        except DatabaseError as error:
            assert f"code: {code}" in str(error).lower(), error
        else:
            raise AssertionError(f"{statement} succeeded")
    try:
        clickhouse_connect.get_client(host="127.0.0.1", port=int(sys.argv[2]), username="nobody", password="wrong")
    except DatabaseError as error:
        assert "516" in str(error), error
    else:
        raise AssertionError("an unknown user was accepted")


def kafka(client):
    """The topic holds 100 messages; the engine's clause comes on the command line."""
    client.command(f"CREATE TABLE queue (id UInt64, name String) {sys.argv[4]}")
    client.command("CREATE TABLE target (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
    client.command("CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue")
    assert "ENGINE = Kafka" in client.command("SHOW CREATE TABLE queue")
    try:
        client.query("SELECT * FROM queue")
    except DatabaseError as error:
        assert "Code: 620" in str(error) or "code 620" in str(error), error
    else:
        raise AssertionError("a Kafka table was read directly")
    arrive(client, 100)
    # What is written to the table comes back through its topic.
    client.insert("queue", [[i, f"n{i}"] for i in range(100, 150)])
    client.insert("queue", [[f"n{i}", i] for i in range(150, 200)], column_names=["name", "id"])
    arrive(client, 200)
    # Statement and data go together, compressed.
    for step, compression in enumerate(("gzip", "lz4", "zstd")):
        first = 200 + step * 2000
        other = clickhouse_connect.get_client(host="127.0.0.1", port=int(sys.argv[2]), database=sys.argv[3], compress=compression)
        other.insert("queue", [[i, f"n{i} " * 50] for i in range(first, first + 2000)])
        other.close()
    arrive(client, 6200)


def arrive(client, expected):
    """Waits until the ids 0 to expected - 1 are in the target."""
    deadline = time.monotonic() + 90
    while client.query("SELECT count(), sum(id) FROM target").result_rows != [(expected, expected * (expected - 1) // 2)]:
        assert time.monotonic() < deadline, "the rows did not arrive"
        time.sleep(0.05)


def cancellation(client):
    """Reads a result without end until somebody kills this process."""
    query = "SELECT number FROM system.numbers LIMIT 100000000000"
    with client.query_row_block_stream(query, settings={"query_id": sys.argv[4]}) as blocks:
        for _ in blocks:
            print("a block", flush=True)


SCENARIOS = {
    "volume": volume,
    "parameters_and_session": parameters_and_session,
    "external_table": external_table,
    "errors": errors,
    "kafka": kafka,
    "cancellation": cancellation,
}


def main():
    scenario, port, database = sys.argv[1:4]
    for compression in (False,) if len(sys.argv) > 4 else (False, "gzip", "lz4", "zstd"):
        client = clickhouse_connect.get_client(host="127.0.0.1", port=int(port), database=database, compress=compression)
        SCENARIOS[scenario](client)
        client.command("DROP TABLE IF EXISTS t")
        client.close()


main()
