//go:build linux && !race

package raw

import (
	"io"
	"net"
	"testing"
	"unsafe"

	"github.com/oortim/oort/poller"
)

// A million links make a million records: their size is part of the design.
func TestLinkIsSmall(t *testing.T) {
	const generation = 4 // is beside it in its slot
	if size := unsafe.Sizeof(link{}) + generation; size != 16 {
		t.Errorf("a link takes %d bytes, the comments say 16", size)
	}
}

func wantNone(t *testing.T, what string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(500, f); n != 0 {
		t.Errorf("%s: %v allocations each", what, n)
	}
}

func TestMessagesAllocateNothing(t *testing.T) {
	r := newRig(t, 16)
	_, p := r.link()
	message, answer := make([]byte, 16), make([]byte, 16)
	exchange := func(parts ...[]byte) {
		for _, b := range parts {
			p.Write(b)
		}
		if _, err := io.ReadFull(p, answer); err != nil {
			t.Error(err)
		}
	}
	wantNone(t, "a message", func() { exchange(message) })
	// Two pieces mostly come apart, so that one is kept as a rest.
	pieces := [][]byte{message[:5], message[5:]}
	wantNone(t, "a message in pieces", func() { exchange(pieces...) })
	r.do(func(*loop) { r.echo.wait = 1e9 })
	wantNone(t, "a message to a loop that sleeps with a deadline", func() { exchange(message) })
}

func TestOperationsAllocateNothing(t *testing.T) {
	const links = 50
	r := newRig(t, 1)
	var ids []poller.ID
	for range links {
		id, p := r.link()
		go io.Copy(io.Discard, p.(*net.TCPConn))
		ids = append(ids, id)
	}
	block, taken := make([]byte, 26), make([]int32, links)
	bufs := [][]byte{block, block, block}
	r.do(func(l *loop) {
		wantNone(t, "WriteEach", func() { l.WriteEach(ids, block, taken) })
		wantNone(t, "Write", func() { l.Write(ids[0], block) })
		wantNone(t, "Writev", func() { l.Writev(ids[0], bufs) })
		wantNone(t, "Pause and Resume", func() { l.Pause(ids[0]); l.Resume(ids[0]); l.RunResumed(l.resume) })
		wantNone(t, "a turn", func() { l.turn(0) })
		task := poller.Task{Kind: 1, Ref: l}
		wantNone(t, "a task", func() { l.Post(task); l.turn(0) })
	})
}
