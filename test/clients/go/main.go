// Runs one scenario of clickhouse-go against a server: clients <scenario> <protocol> <port> <database> [<engine>]. Ends with 0 when it holds.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const rows = 300_000

func open(protocol clickhouse.Protocol, address, database string, method clickhouse.CompressionMethod) driver.Conn {
	connection, err := clickhouse.Open(&clickhouse.Options{
		Addr:        []string{address},
		Protocol:    protocol,
		Auth:        clickhouse.Auth{Database: database, Username: "default"},
		Compression: &clickhouse.Compression{Method: method},
		DialTimeout: 10 * time.Second,
	})
	check(err)
	return connection
}

// The batch API, with blocks flushed in the middle, and a long result.
func volume(ctx context.Context, connection driver.Conn) {
	check(connection.Exec(ctx, "CREATE OR REPLACE TABLE go_t (id UInt64, s String, tags Array(LowCardinality(String)), n Nullable(Int64), m Map(String, UInt8)) ENGINE = MergeTree ORDER BY id"))
	batch, err := connection.PrepareBatch(ctx, "INSERT INTO go_t")
	check(err)
	for i := uint64(0); i < rows; i++ {
		n := int64(i)
		check(batch.Append(i, fmt.Sprintf("row %d", i), []string{"a", "b"}, &n, map[string]uint8{"k": uint8(i)}))
		if i%50_000 == 49_999 {
			check(batch.Flush())
		}
	}
	check(batch.Send())
	result, err := connection.Query(ctx, "SELECT id, s FROM go_t ORDER BY id")
	check(err)
	count := uint64(0)
	for result.Next() {
		var id uint64
		var s string
		check(result.Scan(&id, &s))
		expect(id == count && s == fmt.Sprintf("row %d", id), "row %d is %d, %s", count, id, s)
		count++
	}
	check(result.Err())
	expect(count == rows, "%d rows", count)
	check(connection.Exec(ctx, "DROP TABLE go_t"))
}

func parameters(ctx context.Context, connection driver.Conn) {
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"word": "it's", "limit": "9"}))
	var word string
	var limit uint8
	check(connection.QueryRow(ctx, "SELECT {word:String}, {limit:UInt8}").Scan(&word, &limit))
	expect(word == "it's" && limit == 9, "%s, %d", word, limit)
}

func externalTable(ctx context.Context, connection driver.Conn) {
	table, err := ext.NewTable("ext", ext.Column("a", "UInt64"), ext.Column("s", "String"))
	check(err)
	for i := uint64(1); i <= 3; i++ {
		check(table.Append(i, "x"))
	}
	var sum uint64
	check(connection.QueryRow(clickhouse.Context(ctx, clickhouse.WithExternalTable(table)), "SELECT sum(a) FROM ext").Scan(&sum))
	expect(sum == 6, "sum %d", sum)
}

func failures(ctx context.Context, connection driver.Conn) {
	for statement, code := range map[string]int32{"SELECT * FROM no_such_table": 60, "SELECT nope": 47, "SELEC 1": 62} {
		err := connection.Exec(ctx, statement)
		var exception *clickhouse.Exception
		expect(errors.As(err, &exception) && exception.Code == code, "%s: %v", statement, err)
	}
	var one uint8
	check(connection.QueryRow(ctx, "SELECT 1").Scan(&one))
}

// A result is left in the middle; the server stops the query.
func cancellation(ctx context.Context, connection driver.Conn) {
	limited, cancel := context.WithCancel(ctx)
	result, err := connection.Query(limited, "SELECT number AS cancelled_by_go FROM system.numbers")
	check(err)
	for i := 0; i < 1000 && result.Next(); i++ {
	}
	cancel()
	result.Close()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var running uint64
		check(connection.QueryRow(ctx, "SELECT count() FROM system.processes WHERE query LIKE 'SELECT number AS cancelled_by_go%'").Scan(&running))
		if running == 0 {
			return
		}
		expect(time.Now().Before(deadline), "the query still runs")
	}
}

// The topic holds 100 messages; the engine's clause comes on the command line.
func kafka(ctx context.Context, connection driver.Conn) {
	for _, statement := range []string{
		"CREATE TABLE queue (id UInt64, name String) " + os.Args[5],
		"CREATE TABLE target (id UInt64, name String) ENGINE = MergeTree ORDER BY id",
		"CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue",
	} {
		check(connection.Exec(ctx, statement))
	}
	var shown string
	check(connection.QueryRow(ctx, "SHOW CREATE TABLE queue").Scan(&shown))
	expect(strings.Contains(shown, "ENGINE = Kafka"), "%s", shown)
	_, err := connection.Query(ctx, "SELECT * FROM queue")
	var exception *clickhouse.Exception
	expect(errors.As(err, &exception) && exception.Code == 620, "%v", err)
	arrive(ctx, connection, 100)
	// What is written to the table comes back through its topic.
	batch, err := connection.PrepareBatch(ctx, "INSERT INTO queue")
	check(err)
	for id := uint64(100); id < 200; id++ {
		check(batch.Append(id, fmt.Sprintf("n%d", id)))
	}
	check(batch.Send())
	arrive(ctx, connection, 200)
}

// Waits until the ids 0 to count - 1 are in the target.
func arrive(ctx context.Context, connection driver.Conn, expected uint64) {
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var count, sum uint64
		check(connection.QueryRow(ctx, "SELECT count(), sum(id) FROM target").Scan(&count, &sum))
		if count == expected && sum == expected*(expected-1)/2 {
			return
		}
		expect(time.Now().Before(deadline), "%d rows arrived", count)
	}
}

var scenarios = map[string]func(context.Context, driver.Conn){
	"volume":         volume,
	"parameters":     parameters,
	"external_table": externalTable,
	"failures":       failures,
	"cancellation":   cancellation,
	"kafka":          kafka,
}

func main() {
	scenario, protocol, port, database := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	kind := clickhouse.Native
	if protocol == "http" {
		kind = clickhouse.HTTP
	}
	methods := []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD}
	if scenario == "kafka" {
		methods = methods[:1]
	}
	for _, method := range methods {
		connection := open(kind, "127.0.0.1:"+port, database, method)
		scenarios[scenario](context.Background(), connection)
		check(connection.Close())
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func expect(holds bool, format string, values ...any) {
	if !holds {
		log.Fatalf(format, values...)
	}
}
