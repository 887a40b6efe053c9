package main

import (
	"encoding/binary"
	"fmt"
)

type packet []byte

func (p *packet) varuint(value uint64) *packet {
	*p = binary.AppendUvarint(*p, value)
	return p
}

func (p *packet) u64(value uint64) *packet {
	*p = binary.LittleEndian.AppendUint64(*p, value)
	return p
}

func (p *packet) text(value string) *packet {
	p.varuint(uint64(len(value)))
	*p = append(*p, value...)
	return p
}

// A Data packet up to its block: no table name, the usual block info.
func dataHead() []byte {
	return []byte{2, 0, 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0}
}

func emptyData() []byte {
	return append(dataHead(), 0, 0)
}

// In packets each column says that it is written plainly.
func numbersBlock(isInPacket bool) []byte {
	return block(columns, "UInt64", isInPacket, func(p *packet, row uint64) { p.u64(row) })
}

// Strings of 15 bytes.
func stringsBlock(isInPacket bool) []byte {
	return block(columns, "String", isInPacket, func(p *packet, row uint64) { p.text(fmt.Sprintf("row number %04d", row%10_000)) })
}

func block(count int, kind string, isInPacket bool, appendValue func(p *packet, row uint64)) []byte {
	p := packet{}
	p.varuint(uint64(count)).varuint(rowsPerBlock)
	for column := 0; column < count; column++ {
		p.text(string(rune('a' + column))).text(kind)
		if isInPacket {
			p.varuint(0)
		}
		for row := uint64(0); row < rowsPerBlock; row++ {
			appendValue(&p, row)
		}
	}
	return p
}
