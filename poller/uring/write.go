//go:build linux

package uring

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/ring"
	"github.com/oortim/oort/poller/internal/sock"
)

// sendBatch is how many sends WriteEach submits together. Of package raw's
// processor time a link, 16 take 0.87, 32 0.77, 64 0.76, 128 0.68 and 255 0.64;
// but the runtime cannot stop the thread meanwhile, see ring.Submit.
const sendBatch = 128

// each is the WriteEach under way: what its sends' failures are told by.
type each struct {
	ids    []poller.ID
	taken  []int32
	block  []byte // here so that it is on the heap, and stays, while the kernel reads it
	batch  uint16 // number of the submission being gathered
	queued int    // its sends

	results []ring.CQE // scratch
}

func (l *loop) Write(id poller.ID, b []byte) (int, error) {
	k := l.links.Find(id)
	if k == nil || k.flag.has(finished) {
		return 0, poller.ErrClosed
	}
	if k.flag.has(owed) || len(b) == 0 {
		return 0, nil
	}
	n, errno := sock.Send(int(k.fd), b)
	return n, l.wrote(id, k, n < len(b), errno)
}

func (l *loop) Writev(id poller.ID, bufs [][]byte) (int, error) {
	k := l.links.Find(id)
	if k == nil || k.flag.has(finished) {
		return 0, poller.ErrClosed
	}
	if k.flag.has(owed) {
		return 0, nil
	}
	n, short, errno := l.vec.Send(int(k.fd), bufs)
	return n, l.wrote(id, k, short, errno)
}

// WriteEach gathers sends and submits them together. A link takes about two
// thirds of the processor time of a bare send(2), as the kernel is entered once
// for many. That pays from two links on; one is sent to as by Write.
//
//	go test -run xxx -bench WriteEach -benchtime 200000x ./poller/uring
func (l *loop) WriteEach(ids []poller.ID, block []byte, taken []int32) {
	if len(ids) == 1 {
		n, err := l.Write(ids[0], block)
		if taken[0] = int32(n); err != nil {
			taken[0] = -1
		}
		return
	}
	l.settle()
	l.each.ids, l.each.taken, l.each.block = ids, taken[:len(ids)], block
	for i, id := range ids {
		taken[i] = l.gather(i, id)
	}
	l.submitSends()
	l.each.ids, l.each.taken, l.each.block = nil, nil, nil
}

// gather adds a send to the submission and returns what it takes unless it
// fails.
func (l *loop) gather(i int, id poller.ID) int32 {
	w := &l.each
	k := l.links.Find(id)
	if k != nil && (w.queued == sendBatch || k.batch == w.batch) {
		l.submitSends() // a second send to a link must see how the first one fared
		k = l.links.Find(id)
	}
	switch {
	case k == nil || k.flag.has(finished):
		return -1
	case k.flag.has(owed) || len(w.block) == 0:
		return 0
	}
	e := l.entry()
	e.Send(k.fd, w.block)
	e.UserData = token(sent, poller.ID{Slot: uint32(i)})
	k.batch = w.batch
	w.queued++
	return int32(len(w.block))
}

// submitSends carries the gathered sends out. Those that took all make no
// completion.
func (l *loop) submitSends() {
	w := &l.each
	w.batch++
	if w.queued == 0 {
		return
	}
	w.queued = 0
	l.ring.Submit()
	w.results = l.ring.Reap(w.results[:0])
	for _, c := range w.results {
		if kind, at := ofToken(c.UserData); kind == sent {
			l.fell(int(at.Slot), c.Res)
		} else {
			l.events = append(l.events, c)
		}
	}
}

// fell deals with the i-th send, which took only res bytes or failed.
func (l *loop) fell(i int, res int32) {
	w := &l.each
	id := w.ids[i]
	w.taken[i] = max(res, 0)
	k := l.links.Find(id)
	if k == nil || l.wrote(id, k, true, syscall.Errno(-min(res, 0))) != nil {
		w.taken[i] = -1
	}
}

// wrote draws the consequences of a send: a short one has OnWritable follow, a
// failed one marks the link.
func (l *loop) wrote(id poller.ID, k *link, short bool, errno syscall.Errno) error {
	switch {
	case errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR:
		err := os.NewSyscallError("send", errno)
		l.Close(id, err)
		return err
	case short:
		k.flag |= owed
		l.awaitRoom(id, k)
	}
	return nil
}

// awaitRoom has the kernel tell when k can be written.
func (l *loop) awaitRoom(id poller.ID, k *link) {
	if k.flag.has(polling) {
		return
	}
	e := l.entry()
	e.Poll(k.fd, unix.POLLOUT)
	e.UserData = token(drained, id)
	k.flag |= polling
	l.pending++
}

// drained pays what was owed, if it still is.
func (l *loop) drained(id poller.ID) {
	k := l.links.Tenant(id)
	if k == nil {
		return
	}
	k.flag &^= polling
	if k.flag.has(owed) && l.links.Find(id) != nil {
		k.flag &^= owed
		l.Calls.OnWritable(id)
	}
}

// CloseWrite sends FIN. A socket that the peer has reset meanwhile refuses;
// reading will tell, so the error says nothing new.
func (l *loop) CloseWrite(id poller.ID) {
	k := l.links.Find(id)
	if k == nil || k.flag.has(finished) {
		return
	}
	k.flag |= finished
	k.flag &^= owed
	_ = syscall.Shutdown(int(k.fd), syscall.SHUT_WR)
}
