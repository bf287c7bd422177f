//go:build linux

package uring

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/oortim/oort/poller"
)

// pattern is n bytes that tell where they belong.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func TestTokens(t *testing.T) {
	for _, id := range []poller.ID{{}, {Slot: 1, Gen: 1}, {Slot: 1<<slotBits - 1, Gen: 1<<32 - 1}} {
		for k := ignored; k <= sent; k++ {
			if gotKind, got := ofToken(token(k, id)); got != id || gotKind != k {
				t.Errorf("%v of %v came back as %v of %v", k, id, gotKind, got)
			}
		}
	}
	if token(ignored, poller.ID{}) != 0 {
		t.Error("an entry without a token is not ignored")
	}
}

// Sends in the middle of a submission are short or fail, and each is told of
// the right link.
func TestWriteEachTellsWhichFellShort(t *testing.T) {
	const links = 2*sendBatch + 5
	r := open(t, poller.Options{}, nil)
	var ids []poller.ID
	var peers []*net.TCPConn
	for range links {
		id, p := r.link()
		ids, peers = append(ids, id), append(peers, p)
	}
	short := map[int]bool{0: true, 7: true, sendBatch - 1: true, sendBatch: true, links - 1: true}
	broken := map[int]bool{3: true, sendBatch + 1: true}
	block, taken := pattern(16<<20), make([]int32, links)
	r.do(func(l *loop) {
		for i := range broken {
			syscall.Shutdown(int(l.links.Find(ids[i]).fd), syscall.SHUT_WR)
		}
		var big []poller.ID
		for i := range short {
			big = append(big, ids[i])
		}
		l.WriteEach(big, block, taken) // more than any socket takes
		for i, id := range big {
			if n := taken[i]; n <= 0 || int(n) >= len(block) {
				t.Errorf("%v took %d of %d bytes", id, n, len(block))
			}
			if k := l.links.Find(id); k == nil || !k.flag.has(owed) {
				t.Errorf("%v is not owed an OnWritable", id)
			}
		}
		l.WriteEach(ids, block[:100], taken)
	})
	for i, n := range taken {
		want := int32(100)
		switch {
		case short[i]:
			want = 0 // until OnWritable
		case broken[i]:
			want = -1
		}
		if n != want {
			t.Errorf("link %d took %d, not %d", i, n, want)
		}
	}
}

// A link that is named twice gets the second block only behind a whole first.
func TestWriteEachTwiceToOneLink(t *testing.T) {
	r := open(t, poller.Options{}, nil)
	id, p := r.link()
	block, taken := pattern(16<<20), make([]int32, 4)
	r.do(func(l *loop) { l.WriteEach([]poller.ID{id, id, id, id}, block, taken) })
	if taken[0] <= 0 || taken[1] != 0 || taken[2] != 0 || taken[3] != 0 {
		t.Errorf("taken %v", taken)
	}
	got := make([]byte, taken[0])
	if _, err := io.ReadFull(p, got); err != nil || !bytes.Equal(got, block[:taken[0]]) {
		t.Errorf("the peer got other bytes, or %v", err)
	}
}

// While a link is paused its peer cannot make the loop hold more than what was
// under way.
func TestPausedLinkIsBounded(t *testing.T) {
	const maxRest = 1000
	got := 0
	want := pattern(8 << 20)
	r := open(t, poller.Options{MaxRest: maxRest}, func(l *loop, id poller.ID, in []byte) int {
		if !bytes.Equal(in, want[got:got+len(in)]) {
			t.Errorf("wrong bytes at %d", got)
		}
		got += len(in)
		return len(in)
	})
	id, p := r.link()
	sent := make(chan error, 1)
	go func() {
		_, err := p.Write(want)
		sent <- err
	}()
	for all := false; !all; {
		r.do(func(l *loop) { l.Pause(id) })
		r.eventually("the receive ends, or all has come", func(l *loop) bool {
			k := l.links.Find(id)
			all = got+len(l.rests.Bytes(k.rest)) == len(want)
			return all || !k.flag.has(hearing)
		})
		r.do(func(l *loop) {
			// Two turns' worth: of the one in which the bytes came, and of the
			// one in which the receive was cancelled.
			if held := len(l.rests.Bytes(l.links.Find(id).rest)); held > maxRest+2*bufferCount*bufferSize {
				t.Errorf("%d bytes are held for a paused link", held)
			}
			l.Resume(id)
		})
		r.eventually("what was held is delivered", func(l *loop) bool { return l.links.Find(id).rest == 0 })
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// When all buffers are taken, receives end, and begin again.
func TestMoreThanAllBuffers(t *testing.T) {
	const links, size = 40, 100 << 10 // the kernel fills 32 buffers of a link before it looks at the next
	want := pattern(size)
	got := map[poller.ID][]byte{}
	r := open(t, poller.Options{}, func(_ *loop, id poller.ID, in []byte) int {
		got[id] = append(got[id], in...)
		return len(in)
	})
	var peers []*net.TCPConn
	for range links {
		_, p := r.link()
		peers = append(peers, p)
	}
	r.do(func(*loop) { // the loop stands still meanwhile
		for _, p := range peers {
			if _, err := p.Write(want); err != nil {
				t.Error(err)
			}
		}
	})
	r.eventually("every byte", func(*loop) bool {
		for _, b := range got {
			if len(b) < size {
				return false
			}
		}
		return len(got) == links
	})
	r.do(func(*loop) {
		for id, b := range got {
			if !bytes.Equal(b, want) {
				t.Errorf("%v got other bytes", id)
			}
		}
	})
}

// A failure that came while a link was paused is told as what it was.
func TestResetWhilePaused(t *testing.T) {
	r := open(t, poller.Options{}, nil)
	id, p := r.link()
	r.do(func(l *loop) { l.Pause(id) })
	p.SetLinger(0)
	p.Close()
	r.eventually("the receive fails", func(l *loop) bool { return l.links.Find(id).flag.has(failed) })
	r.do(func(l *loop) { l.Resume(id) })
	if reason := <-r.server.closed; !errors.Is(reason, syscall.ECONNRESET) {
		t.Errorf("closed with %v", reason)
	}
	r.eventually("nothing is kept of it", func(l *loop) bool { return len(l.failures) == 0 && l.links.Len() == 0 })
}

// A link that is closed leaves no request behind, so its socket ends.
func TestCloseEndsRequests(t *testing.T) {
	r := open(t, poller.Options{}, nil)
	idle := 0
	r.eventually("the listener's poll", func(l *loop) bool { idle = l.pending; return idle == 1 })
	var ids []poller.ID
	for range 100 {
		id, _ := r.link()
		ids = append(ids, id)
	}
	r.do(func(l *loop) {
		huge := make([]byte, 16<<20)
		for i, id := range ids {
			if i%2 == 0 {
				l.Write(id, huge) // short, so polled
			}
		}
		if l.pending != idle+150 {
			t.Errorf("%d requests, not 150", l.pending-idle)
		}
	})
	r.do(func(l *loop) {
		for _, id := range ids {
			l.Close(id, io.EOF)
		}
	})
	r.eventually("every request ends", func(l *loop) bool { return l.pending == idle })
}
