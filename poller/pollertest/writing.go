package pollertest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/oortim/oort/poller"
)

var writing = []test{
	{"writing/a short write is followed by one OnWritable", writeShort},
	{"writing/several buffers go out as one", writeVector},
	{"writing/one block to many links", writeEach},
	{"writing/what was taken is no longer referenced", writeCopies},
	{"writing/nothing to write is no short write", writeNothing},
	{"writing/a write that fails marks the link", writeFails},
	{"writing/a peer that never reads delays no other", writeUnread},
}

// flood writes b to id from task to OnWritable until all was taken, and counts.
type flood struct {
	loop     poller.Loop
	left     []byte
	shorts   int
	writable int
	done     chan bool
}

func (f *flood) write(t *testing.T, id poller.ID) {
	n, err := f.loop.Write(id, f.left)
	if err != nil {
		t.Errorf("Write: %v", err)
		return
	}
	if f.left = f.left[n:]; len(f.left) == 0 {
		f.done <- true
		return
	}
	f.shorts++
	for range 3 { // takes nothing, and asks for nothing
		if n, err := f.loop.Write(id, f.left); n != 0 || err != nil {
			t.Errorf("after a short write: %d, %v", n, err)
		}
	}
}

func writeShort(t *testing.T, open Open) {
	want := pattern(16 << 20)
	f := flood{left: want, done: make(chan bool, 1)}
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		f.loop = l
		s.writable = func(id poller.ID) {
			f.writable++
			f.write(t, id)
		}
	})
	id, p := r.link()
	r.do(func(poller.Loop) { f.write(t, id) })
	for range 20 {
		r.do(func(poller.Loop) {
			if f.shorts == 0 || f.writable > 0 {
				t.Errorf("%d short writes, %d OnWritable while the peer does not read", f.shorts, f.writable)
			}
		})
	}
	expect(t, p, want)
	wait(t, "the last byte", f.done)
	for range 20 {
		r.do(func(poller.Loop) {
			if f.writable != f.shorts {
				t.Errorf("%d short writes were followed by %d OnWritable", f.shorts, f.writable)
			}
		})
	}
}

func writeVector(t *testing.T, open Open) {
	want := pattern(3 << 20)
	done := make(chan bool, 1)
	sent := 0
	var r *rig
	write := func(l poller.Loop, id poller.ID) {
		bufs := split(want[sent:], 3000)
		before := slices.Clone(bufs)
		n, err := l.Writev(id, bufs)
		if err != nil {
			t.Errorf("Writev: %v", err)
		}
		if !slices.EqualFunc(bufs, before, func(a, b []byte) bool { return len(a) == len(b) }) {
			t.Error("Writev changed the caller's slice")
		}
		if sent += n; sent == len(want) {
			done <- true
		}
	}
	r = openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.writable = func(id poller.ID) { write(l, id) }
	})
	id, p := r.link()
	r.do(func(l poller.Loop) {
		if n, err := l.Writev(id, nil); n != 0 || err != nil {
			t.Errorf("Writev of nothing: %d, %v", n, err)
		}
		if n, err := l.Writev(id, [][]byte{nil, {}}); n != 0 || err != nil {
			t.Errorf("Writev of empty buffers: %d, %v", n, err)
		}
		write(l, id)
	})
	expect(t, p, want)
	wait(t, "the last byte", done)
}

// split cuts b into many buffers of unequal lengths, some of them empty, more
// than one writev(2) takes.
func split(b []byte, into int) [][]byte {
	var bufs [][]byte
	step := max(1, 2*len(b)/into)
	for i := 0; len(b) > 0; i++ {
		n := min(len(b), i%3*step)
		bufs = append(bufs, b[:n])
		b = b[n:]
	}
	return bufs
}

func writeEach(t *testing.T, open Open) {
	r := openRig(t, open, poller.Options{}, nil)
	block := []byte("a block for all")
	var ids []poller.ID
	for range 6 {
		id, _ := r.link()
		ids = append(ids, id)
	}
	const full, closed, finished = 1, 3, 4
	gone := ids[5]
	r.do(func(l poller.Loop) { l.Close(gone, io.EOF) })
	expectEnd(t, r.peers[5])
	ids = append(ids, poller.ID{}, poller.ID{Slot: 1 << 31, Gen: 1}, poller.ID{Slot: 0, Gen: 99}, ids[0])
	taken := make([]int32, len(ids)+1)
	taken[len(ids)] = 77
	r.do(func(l poller.Loop) {
		// The socket takes bytes again before OnWritable can tell: writes wait for it.
		sum, n := 0, 1
		for huge := pattern(1 << 20); n > 0; sum += n {
			n, _ = l.Write(ids[full], huge)
		}
		io.CopyN(io.Discard, r.peers[full], int64(sum))
		l.Close(ids[closed], io.EOF)
		l.CloseWrite(ids[finished])
		l.WriteEach(ids, block, taken)
		for _, write := range []func() (int, error){
			func() (int, error) { return l.Write(ids[full], block) },
			func() (int, error) { return l.Writev(ids[full], [][]byte{block}) },
		} {
			if n, err := write(); n != 0 || err != nil {
				t.Errorf("before the OnWritable that is due: %d, %v", n, err)
			}
		}
	})
	n := int32(len(block))
	want := []int32{n, 0, n, -1, -1, -1, -1, -1, -1, n, 77}
	if !slices.Equal(taken, want) {
		t.Errorf("taken %v, want %v", taken, want)
	}
	expect(t, r.peers[0], slices.Concat(block, block))
	expect(t, r.peers[2], block)
	expectEnd(t, r.peers[closed])
	expectEnd(t, r.peers[finished])
	r.do(func(l poller.Loop) { l.WriteEach(nil, block, nil) })
}

func writeCopies(t *testing.T, open Open) {
	r := openRig(t, open, poller.Options{}, nil)
	id, p := r.link()
	const size = 10_000
	r.do(func(l poller.Loop) {
		for _, write := range []func([]byte) (int, error){
			func(b []byte) (int, error) { return l.Write(id, b) },
			func(b []byte) (int, error) { return l.Writev(id, [][]byte{b[:5], b[5:]}) },
			func(b []byte) (int, error) {
				taken := []int32{0}
				l.WriteEach([]poller.ID{id}, b, taken)
				return int(taken[0]), nil
			},
		} {
			b := pattern(size)
			if n, err := write(b); n != size || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			clear(b)
		}
	})
	for range 3 {
		expect(t, p, pattern(size))
	}
}

func writeNothing(t *testing.T, open Open) {
	writable := 0
	r := openRig(t, open, poller.Options{}, func(_ poller.Loop, s *script) {
		s.writable = func(poller.ID) { writable++ }
	})
	id, _ := r.link()
	taken := []int32{7}
	r.do(func(l poller.Loop) {
		if n, err := l.Write(id, nil); n != 0 || err != nil {
			t.Errorf("Write of nothing: %d, %v", n, err)
		}
		l.WriteEach([]poller.ID{id}, nil, taken)
	})
	if taken[0] != 0 {
		t.Errorf("WriteEach of nothing: %d", taken[0])
	}
	for range 20 {
		r.do(func(poller.Loop) {})
	}
	r.do(func(poller.Loop) {
		if writable > 0 {
			t.Error("OnWritable after no short write")
		}
	})
}

func writeFails(t *testing.T, open Open) {
	reasons := make(chan error, 1)
	r := openRig(t, open, poller.Options{}, func(_ poller.Loop, s *script) {
		s.close = func(_ poller.ID, reason error) { reasons <- reason }
	})
	id, p := r.link()
	r.do(func(l poller.Loop) { l.Pause(id) }) // so that reading does not tell first
	reset(p)
	r.eventually("a write that fails", func() (failed bool) {
		r.do(func(l poller.Loop) {
			_, err := l.Write(id, []byte("x"))
			if failed = err != nil; !failed {
				return
			}
			if len(reasons) > 0 {
				t.Error("OnClose came within Write")
			}
			if _, err := l.Write(id, []byte("x")); err != poller.ErrClosed {
				t.Errorf("a second write: %v", err)
			}
		})
		return failed
	})
	var system *os.SyscallError
	if reason := wait(t, "OnClose", reasons); !errors.As(reason, &system) {
		t.Errorf("closed with %v", reason)
	}
}

func writeUnread(t *testing.T, open Open) {
	reasons := make(chan error, 10)
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.data = func(id poller.ID, in []byte) int {
			l.Write(id, bytes.ToUpper(in))
			return len(in)
		}
		s.close = func(_ poller.ID, reason error) { reasons <- reason }
	})
	var full []poller.ID
	for range 5 {
		id, _ := r.link()
		full = append(full, id)
	}
	r.do(func(l poller.Loop) {
		for _, id := range full {
			for huge := pattern(1 << 20); ; {
				if n, _ := l.Write(id, huge); n < len(huge) {
					break
				}
			}
		}
	})
	_, p := r.link()
	for range 100 {
		send(t, p, "hello")
		expect(t, p, []byte("HELLO"))
	}
	r.do(func(l poller.Loop) {
		for _, id := range full {
			l.Close(id, io.ErrShortWrite)
		}
	})
	for range full {
		if reason := wait(t, "OnClose", reasons); reason != io.ErrShortWrite {
			t.Errorf("closed with %v", reason)
		}
	}
}
