// Package stamp marks messages, so that whoever receives one can tell which it
// is, whether one before it was lost, and how long it took, though sender and
// receiver are different processes of one machine.
//
// A stamp begins a message's body; all numbers are big-endian:
//
//	0       4       8       12      16              24
//	+-------+-------+-------+-------+---------------+------
//	| magic |  run  | room  |  seq  | sent, ns, i64 | fill
//	+-------+-------+-------+-------+---------------+------
package stamp

import "encoding/binary"

// Len is the length of a stamp, and the shortest body that holds one.
const Len = 24

const magic = 0x6f6f7274 // "oort"

// Everyone is the Room of messages that go to all links: a sequence of its own.
const Everyone = ^uint32(0)

// Stamp says which message it is on.
type Stamp struct {
	Run  uint32 // tells what is measured now from what still arrives of before
	Room uint32 // index of the sequence that Seq counts in
	Seq  uint32 // from 1, without gaps
	Sent int64  // when, as Clock.Now says
}

// Append appends a body of size bytes, at least Len, that begins with s.
// The fill is letters, the same each time.
func Append(dst []byte, s Stamp, size int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, magic)
	dst = binary.BigEndian.AppendUint32(dst, s.Run)
	dst = binary.BigEndian.AppendUint32(dst, s.Room)
	dst = binary.BigEndian.AppendUint32(dst, s.Seq)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Sent))
	for i := Len; i < size; i++ {
		dst = append(dst, 'a'+byte(i*i%26))
	}
	return dst
}

// Parse reads the stamp that body begins with; false if there is none.
func Parse(body []byte) (s Stamp, ok bool) {
	if len(body) < Len || binary.BigEndian.Uint32(body) != magic {
		return Stamp{}, false
	}
	return Stamp{
		Run:  binary.BigEndian.Uint32(body[4:]),
		Room: binary.BigEndian.Uint32(body[8:]),
		Seq:  binary.BigEndian.Uint32(body[12:]),
		Sent: int64(binary.BigEndian.Uint64(body[16:])),
	}, true
}
