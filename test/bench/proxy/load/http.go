package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"strconv"
)

const readBufferBytes = 256 << 10

// Of the size in which clients send a body of unknown length.
const chunkBytes = 64 << 10

type httpSession struct {
	socket    net.Conn
	reader    *bufio.Reader
	isChunked bool
}

func openHTTP(address string, isChunked bool) session {
	socket, err := net.Dial("tcp", address)
	check(err)
	return &httpSession{socket, bufio.NewReaderSize(socket, readBufferBytes), isChunked}
}

func (s *httpSession) query(text string) int64 {
	_, err := fmt.Fprintf(s.socket, "POST / HTTP/1.1\r\nHost: bench\r\nX-ClickHouse-User: default\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	check(err)
	return s.readAnswer()
}

func (s *httpSession) insert(table string, block []byte, count int) {
	query := url.QueryEscape("INSERT INTO " + table + " FORMAT Native")
	framing := fmt.Sprintf("Content-Length: %d", len(block)*count)
	if s.isChunked {
		framing = "Transfer-Encoding: chunked"
	}
	_, err := fmt.Fprintf(s.socket, "POST /?query=%s HTTP/1.1\r\nHost: bench\r\nX-ClickHouse-User: default\r\n%s\r\n\r\n", query, framing)
	check(err)
	for i := 0; i < count; i++ {
		s.sendBlock(block)
	}
	if s.isChunked {
		_, err = io.WriteString(s.socket, "0\r\n\r\n")
		check(err)
	}
	s.readAnswer()
}

func (s *httpSession) sendBlock(block []byte) {
	if !s.isChunked {
		_, err := s.socket.Write(block)
		check(err)
		return
	}
	for len(block) > 0 {
		chunk := block[:min(len(block), chunkBytes)]
		block = block[len(chunk):]
		pieces := net.Buffers{[]byte(strconv.FormatInt(int64(len(chunk)), 16) + "\r\n"), chunk, []byte("\r\n")}
		_, err := pieces.WriteTo(s.socket)
		check(err)
	}
}

// Reads one answer to its end; how long its body is.
func (s *httpSession) readAnswer() int64 {
	status := s.readLine()
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		rest, _ := s.reader.Peek(min(s.reader.Buffered(), 2000))
		log.Fatalf("%s\n%s", status, rest)
	}
	length := int64(-1)
	for {
		line := s.readLine()
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("content-length")) {
			length = parse(string(bytes.TrimSpace(value)), 10)
		}
	}
	if length < 0 {
		return s.readChunks()
	}
	s.discard(length)
	return length
}

func (s *httpSession) readChunks() int64 {
	total := int64(0)
	for {
		size := parse(string(s.readLine()), 16)
		s.discard(size + 2)
		if size == 0 {
			return total
		}
		total += size
	}
}

// A line without its end; good until the next read.
func (s *httpSession) readLine() []byte {
	line, err := s.reader.ReadSlice('\n')
	check(err)
	return bytes.TrimRight(line, "\r\n")
}

func (s *httpSession) discard(count int64) {
	_, err := s.reader.Discard(int(count))
	check(err)
}

func parse(text string, base int) int64 {
	value, err := strconv.ParseInt(text, base, 64)
	check(err)
	return value
}
