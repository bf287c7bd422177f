package room

import (
	"strconv"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
)

// AppendGaps appends one frame of op 18 a lane that lost messages, on the wire
// of enc: so many messages of the room, or direct ones where name is empty,
// were skipped. Room names need no escaping in JSON.
func AppendGaps(dst []byte, name ident.Room, enc Encoding, lost *ledger.Counts) []byte {
	var small [256]byte
	for lane, n := range lost {
		if n == 0 {
			continue
		}
		body := append(small[:0], `{"room":"`...)
		body = append(body, name...)
		body = append(body, `","lane":"`...)
		body = append(body, ledger.LaneName(lane)...)
		body = append(body, `","skipped":`...)
		body = append(strconv.AppendUint(body, n, 10), '}')
		dst = AppendFrame(dst, enc, frame.Append(nil, frame.OpGap, 0, body))
	}
	return dst
}

// tells reports whether links with these accepts want to hear of gaps.
func (a *Accepts) tells() bool { return a.Wants(uint32(frame.OpGap)) }
