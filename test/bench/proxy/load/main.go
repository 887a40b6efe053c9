// Puts load on one server and prints what it measured as one line of JSON:
//
//	load latency <http|native> <address> <connections> <seconds>   SELECT 1 over kept connections
//	load select  <http|native> <address> <MiB>                     one long result
//	load insert  <http|http-chunked|native|native-strings> <address> <MiB>   one long INSERT into bench.sink or bench.sink_strings
//
// Sockets and bytes only: it shares two cores with the server and what stands between them.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sort"
	"strconv"
	"time"
)

const warmUpRequests = 30

// A block of numbers is of 1 MiB, one of strings twice that.
const columns = 4
const rowsPerBlock = 32_768

// A kept connection that can do each of the three things.
type session interface {
	query(text string) (resultBytes int64)
	insert(table string, block []byte, count int)
}

type latency struct {
	MedianMs  float64 `json:"medianMs"`
	P99Ms     float64 `json:"p99Ms"`
	PerSecond float64 `json:"perSecond"`
	// With those that only warmed up.
	Requests int `json:"requests"`
}

type throughput struct {
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

func main() {
	log.SetFlags(0)
	what, protocol, address := os.Args[1], os.Args[2], os.Args[3]
	var result any
	switch what {
	case "latency":
		result = measureLatency(protocol, address, number(4), time.Duration(number(5))*time.Second)
	case "select":
		result = measureSelect(protocol, address, number(4))
	case "insert":
		result = measureInsert(protocol, address, number(4))
	default:
		log.Fatalf("unknown measure %s", what)
	}
	line, err := json.Marshal(result)
	check(err)
	fmt.Println(string(line))
}

func open(protocol, address string) session {
	if protocol == "http" || protocol == "http-chunked" {
		return openHTTP(address, protocol == "http-chunked")
	}
	return openNative(address)
}

// Every connection asks again as soon as it has its answer.
func measureLatency(protocol, address string, connections int, duration time.Duration) latency {
	samples := make(chan []time.Duration, connections)
	ready := make(chan bool, connections)
	start := make(chan time.Time)
	for i := 0; i < connections; i++ {
		go func() {
			connection := open(protocol, address)
			for i := 0; i < warmUpRequests; i++ {
				connection.query("SELECT 1")
			}
			ready <- true
			samples <- askUntil(connection, (<-start).Add(duration))
		}()
	}
	for i := 0; i < connections; i++ {
		<-ready
	}
	startedAt := time.Now()
	for i := 0; i < connections; i++ {
		start <- startedAt
	}
	var all []time.Duration
	for i := 0; i < connections; i++ {
		all = append(all, <-samples...)
	}
	elapsed := time.Since(startedAt)
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) float64 { return all[int(share*float64(len(all)-1))].Seconds() * 1000 }
	return latency{MedianMs: at(0.5), P99Ms: at(0.99), PerSecond: float64(len(all)) / elapsed.Seconds(), Requests: len(all) + connections*warmUpRequests}
}

func askUntil(connection session, end time.Time) []time.Duration {
	samples := make([]time.Duration, 0, 4096)
	for before := time.Now(); before.Before(end); {
		connection.query("SELECT 1")
		after := time.Now()
		samples = append(samples, after.Sub(before))
		before = after
	}
	return samples
}

func measureSelect(protocol, address string, mebibytes int) throughput {
	connection := open(protocol, address)
	connection.query("SELECT 1")
	startedAt := time.Now()
	bytes := connection.query(fmt.Sprintf(
		"SELECT number AS a, number AS b, number AS c, number AS d FROM numbers(%d) FORMAT Native", mebibytes<<20/columns/8))
	expect(bytes >= int64(mebibytes)<<20, "the result has only %d bytes", bytes)
	return throughput{Bytes: bytes, Seconds: time.Since(startedAt).Seconds()}
}

func measureInsert(protocol, address string, mebibytes int) throughput {
	table, block := "bench.sink", numbersBlock
	if protocol == "native-strings" {
		table, block = "bench.sink_strings", stringsBlock
	}
	connection := open(protocol, address)
	connection.query("SELECT 1")
	body := block(protocol == "native" || protocol == "native-strings")
	count := mebibytes << 20 / len(body)
	startedAt := time.Now()
	connection.insert(table, body, count)
	return throughput{Bytes: int64(count) * int64(len(body)), Seconds: time.Since(startedAt).Seconds()}
}

func number(argument int) int {
	value, err := strconv.Atoi(os.Args[argument])
	check(err)
	return value
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
