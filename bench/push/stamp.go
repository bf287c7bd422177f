package push

import (
	"fmt"
	"time"
)

// A stamp begins each message's body: hex fields of fixed width, so that the
// body is text, as most are, and is read without allocation.
//
//	run (8)  room (8)  index in the room (8)  send time in ns since the start (16)
//	3f2a9c01 00000000  0000002a               000000003b9aca00 xxxxxxxxxxxxxxx…
const stampLen = 8 + 1 + 8 + 1 + 8 + 1 + 16 + 1

type stamp struct {
	run, room, index uint32
	sent             time.Duration // since audience.start
}

// body of size bytes that begins with s.
func (s stamp) body(size int) []byte {
	b := fmt.Appendf(make([]byte, 0, size), "%08x %08x %08x %016x ", s.run, s.room, s.index, uint64(s.sent))
	for len(b) < size {
		b = append(b, 'x')
	}
	return b
}

func parseStamp(b []byte) (s stamp, ok bool) {
	if len(b) < stampLen {
		return s, false
	}
	run, ok1 := parseHex(b[:8])
	room, ok2 := parseHex(b[9:17])
	index, ok3 := parseHex(b[18:26])
	sent, ok4 := parseHex(b[27:43])
	return stamp{uint32(run), uint32(room), uint32(index), time.Duration(sent)}, ok1 && ok2 && ok3 && ok4
}

func parseHex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
