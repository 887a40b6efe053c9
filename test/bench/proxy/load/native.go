package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"log"
	"net"
	"strings"
)

// What clickhouse-go announces; https://clickhouse.com/docs/native-protocol describes the packets.
const revision = 54460

const (
	serverHello         = 0
	serverData          = 1
	serverException     = 2
	serverProgress      = 3
	serverEndOfStream   = 5
	serverProfileInfo   = 6
	serverTableColumns  = 11
	serverProfileEvents = 14
)

type nativeSession struct {
	socket net.Conn
	reader *bufio.Reader
}

func openNative(address string) session {
	socket, err := net.Dial("tcp", address)
	check(err)
	s := &nativeSession{socket, bufio.NewReaderSize(socket, readBufferBytes)}
	hello := packet{}
	hello.varuint(0).text("load").varuint(1).varuint(0).varuint(revision).text("").text("default").text("")
	s.send(hello)
	s.expectType(serverHello)
	s.text()
	s.varuints(3)
	s.text()
	s.text()
	s.varuint()
	// The addendum: a quota key.
	s.send(*new(packet).text(""))
	return s
}

func (s *nativeSession) query(text string) int64 {
	s.sendQuery(text)
	return s.readAnswer(false)
}

func (s *nativeSession) insert(table string, block []byte, count int) {
	s.sendQuery("INSERT INTO " + table + " VALUES")
	s.readAnswer(true)
	// The server answers each block: those answers must be taken meanwhile.
	done := make(chan bool)
	go func() {
		s.readAnswer(false)
		done <- true
	}()
	data := append(dataHead(), block...)
	for i := 0; i < count; i++ {
		s.send(data)
	}
	s.send(emptyData())
	<-done
}

func (s *nativeSession) sendQuery(text string) {
	p := packet{}
	p.varuint(1).text("")
	p.varuint(1).text("").text("").text("0.0.0.0:0").u64(0).varuint(1).text("").text("").text("load").varuint(1).varuint(0).varuint(revision)
	p.text("").varuint(0).varuint(0).varuint(0).varuint(0).varuint(0).varuint(0)
	p.text("").text("").varuint(2).varuint(0).text(text).text("")
	s.send(append(p, emptyData()...))
}

// Reads until the answer's end, or until the block that tells an INSERT's columns; how many bytes of values there were.
func (s *nativeSession) readAnswer(stopsAtBlock bool) int64 {
	total := int64(0)
	for {
		switch kind := s.varuint(); kind {
		case serverData:
			total += s.skipBlock()
			if stopsAtBlock {
				return total
			}
		case serverProfileEvents:
			s.skipBlock()
		case serverProgress:
			s.varuints(6)
		case serverProfileInfo:
			s.varuints(6)
		case serverTableColumns:
			s.text()
			s.text()
		case serverEndOfStream:
			return total
		default:
			s.fail(kind)
		}
	}
}

func (s *nativeSession) skipBlock() int64 {
	s.text()
	// Block info: two fields of one and four bytes, each with its number, and an end.
	s.discard(8)
	columnCount, rows := s.varuint(), s.varuint()
	total := int64(0)
	for i := uint64(0); i < columnCount; i++ {
		s.text()
		kind := s.text()
		s.discard(1)
		if kind == "String" {
			for row := uint64(0); row < rows; row++ {
				s.discard(int64(s.varuint()))
			}
			continue
		}
		bytes := int64(rows) * width(kind)
		s.discard(bytes)
		total += bytes
	}
	return total
}

func width(kind string) int64 {
	switch {
	case kind == "UInt64" || kind == "Int64":
		return 8
	case kind == "DateTime":
		return 4
	case kind == "UInt8" || strings.HasPrefix(kind, "Enum8"):
		return 1
	}
	log.Fatalf("unexpected column of type %s", kind)
	return 0
}

func (s *nativeSession) expectType(wanted uint64) {
	if kind := s.varuint(); kind != wanted {
		s.fail(kind)
	}
}

func (s *nativeSession) fail(kind uint64) {
	if kind == serverException {
		s.discard(4)
		s.text()
		log.Fatal(s.text())
	}
	log.Fatalf("unexpected packet %d", kind)
}

func (s *nativeSession) send(bytes []byte) {
	_, err := s.socket.Write(bytes)
	check(err)
}

func (s *nativeSession) varuint() uint64 {
	value, err := binary.ReadUvarint(s.reader)
	check(err)
	return value
}

func (s *nativeSession) varuints(count int) {
	for i := 0; i < count; i++ {
		s.varuint()
	}
}

func (s *nativeSession) text() string {
	bytes := make([]byte, s.varuint())
	_, err := io.ReadFull(s.reader, bytes)
	check(err)
	return string(bytes)
}

func (s *nativeSession) discard(count int64) {
	_, err := s.reader.Discard(int(count))
	check(err)
}
