package echo

import (
	"bytes"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// sink is a loop whose sockets take everything.
type sink struct{ poller.Loop }

func (sink) Write(_ poller.ID, b []byte) (int, error) { return len(b), nil }

// TestNoAllocations: an echo must not feed the collector, or the engines'
// figures would be those of garbage.
func TestNoAllocations(t *testing.T) {
	id := poller.ID{Slot: 3, Gen: 1}
	frames := tcpFrames(10, 100)
	texts := client{}.text("κόσμε").text("a").ping("p").b
	cut := client{}.text(string(bytes.Repeat([]byte("a"), 1000))).b
	buf := make([]byte, 4096)
	for name, c := range map[string]struct {
		head string
		in   [][]byte
	}{
		"frames":         {"", [][]byte{frames}},
		"frames, cut":    {"", [][]byte{frames[:50], frames[50:]}},
		"messages":       {upgradeHead, [][]byte{texts}},
		"message in two": {upgradeHead, [][]byte{cut[:500], cut[500:]}},
	} {
		l := newLoop(sink{}, DefaultMaxMessage)
		l.OnOpen(id, poller.Conn{})
		give := func(b []byte) {
			if used := l.OnData(id, buf[:copy(buf, b)]); used != len(b) {
				t.Fatalf("%s: %d of %d bytes", name, used, len(b))
			}
		}
		if c.head != "" {
			give([]byte(c.head))
		}
		n := testing.AllocsPerRun(100, func() {
			for _, b := range c.in {
				give(b)
			}
			l.OnTurn(time.Time{})
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if len(l.held) != 0 || l.n.messages.Load() == 0 || l.n.refused.Load() != 0 {
			t.Errorf("%s: holds %d, counts %d messages, refused %d", name, len(l.held), l.n.messages.Load(), l.n.refused.Load())
		}
	}
}
