//go:build linux

package netpoll

import (
	"context"
	"errors"

	lib "github.com/cloudwego/netpoll"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/rest"
)

// readSize is as much as one delivery may bring, so that a link with much to
// say does not keep the lock of its loop.
const readSize = 64 << 10

// onRequest is called by the library, on a goroutine of the link, while its
// buffer has bytes. It always takes some: the library would call it again at
// once for what it left, without an end.
func (k *link) onRequest(_ context.Context, conn lib.Connection) error {
	l, r := k.loop, conn.Reader()
	err := k.lock(conn)
	if err == nil {
		err = l.awaitResume(k, conn)
	}
	if err == nil && !k.marked {
		err = l.read(k, conn)
	}
	if k.marked || err != nil {
		skip(r)
	}
	if r.Len() == 0 {
		err = errors.Join(err, k.valve.open())
	}
	if err != nil {
		l.Close(k.id, err)
	}
	l.mu.Unlock()
	l.ring()
	return nil
}

// lock takes the lock of k's loop. Nobody knows how long it waits, so it has
// the peer held back if it must.
func (k *link) lock(conn lib.Connection) error {
	if k.loop.mu.TryLock() {
		return nil
	}
	err := k.valve.close(conn)
	k.loop.mu.Lock()
	return err
}

// skip drops what nobody will want.
func skip(r lib.Reader) {
	_ = r.Skip(r.Len()) // fails only for more than there is
	_ = r.Release()
}

// read delivers what the library has, or a part of it, and then has the peer
// held back until it has delivered all.
func (l *loop) read(k *link, conn lib.Connection) error {
	r := conn.Reader()
	n := min(r.Len(), l.room(k))
	if n < r.Len() {
		if err := k.valve.close(conn); err != nil {
			return err
		}
	}
	fresh, err := r.Next(n)
	if err != nil {
		return err
	}
	l.deliver(k, fresh)
	rest.Poison(fresh)
	return r.Release()
}

// room is how much may be read of k: so much that it could all be left unused
// within MaxRest, as a handler may pause at any byte. With a full rest it is
// one byte, which either makes the handler go on or is one too many.
func (l *loop) room(k *link) int {
	free := l.engine.opts.MaxRest - len(l.rests.Bytes(k.rest))
	return min(max(free, 1), readSize)
}

// deliver hands the rest of k and fresh to the handler and keeps what that
// leaves.
func (l *loop) deliver(k *link, fresh []byte) {
	in := fresh
	if k.rest != 0 {
		k.rest = l.rests.Append(k.rest, fresh)
		in = l.rests.Bytes(k.rest)
	}
	left := l.calls.OnData(k.id, in[:len(in):len(in)])
	switch {
	case k.marked:
		// its rest goes when it is closed
	case len(left) == 0:
		l.rests.Free(k.rest)
		k.rest = 0
	case len(left) > l.engine.opts.MaxRest:
		l.Close(k.id, poller.ErrRestTooLarge)
	default:
		k.rest = l.rests.Keep(k.rest, left)
	}
}

// Pause only marks. If bytes come, the library's goroutine waits with them.
func (l *loop) Pause(id poller.ID) {
	if k := l.links.find(id); k != nil {
		k.paused = true
	}
}

func (l *loop) Resume(id poller.ID) {
	k := l.links.find(id)
	if k == nil || !k.paused {
		return
	}
	k.paused = false
	// Whether there is a rest is seen later: an OnData under way may leave one.
	if !k.redeliver {
		k.redeliver = true
		l.resumed = append(l.resumed, k)
		l.ring()
	}
}

// runResumed delivers the rests of the links that were resumed so far. One
// that is resumed again meanwhile waits for the next turn.
func (l *loop) runResumed() {
	n := len(l.resumed)
	for _, k := range l.resumed[:n:n] {
		k.redeliver = false
		if k.rest != 0 && !k.marked && !k.paused {
			l.deliver(k, nil)
		}
		if !k.paused && !k.redeliver {
			k.openGate()
			l.tellEnd(k)
		}
	}
	left := copy(l.resumed, l.resumed[n:])
	clear(l.resumed[left:])
	l.resumed = l.resumed[:left]
}

// awaitResume lets go of l.mu while k is paused, and has the peer held back
// meanwhile. The rest, which is older than what the library has, goes first.
func (l *loop) awaitResume(k *link, conn lib.Connection) error {
	for !k.marked && (k.paused || k.redeliver) {
		if err := k.valve.close(conn); err != nil {
			return err
		}
		gate := make(chan struct{})
		k.gate = gate
		l.mu.Unlock()
		<-gate
		l.mu.Lock()
	}
	return nil
}

func (k *link) openGate() {
	if k.gate != nil {
		close(k.gate)
		k.gate = nil
	}
}
