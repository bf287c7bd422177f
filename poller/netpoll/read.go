//go:build linux

package netpoll

import (
	"context"
	"errors"

	lib "github.com/cloudwego/netpoll"
)

// readSize is as much as one delivery may bring, so that a link with much to
// say does not keep the lock of its loop.
const readSize = 64 << 10

// onRequest is called by the library, on a goroutine of the link, while its
// buffer has bytes. It always takes some: the library would call it again at
// once for what it left, without an end.
func (l *loop) onRequest(k *link) lib.OnRequest {
	return func(_ context.Context, c lib.Connection) error {
		r := c.Reader()
		err := l.lock(k, c)
		if err == nil {
			err = l.awaitResume(k, c)
		}
		if err == nil && l.Open(k) {
			err = l.read(k, c)
		}
		if err != nil || !l.Open(k) {
			skip(r)
		}
		if r.Len() == 0 {
			err = errors.Join(err, k.Own.valve.open())
		}
		if err != nil {
			l.Close(k.ID, err)
		}
		l.Mu.Unlock()
		l.Ring()
		return nil
	}
}

// lock takes the lock of the loop. Nobody knows how long it waits, so it has
// the peer held back if it must.
func (l *loop) lock(k *link, c lib.Connection) error {
	if l.Mu.TryLock() {
		return nil
	}
	err := k.Own.valve.close(c)
	l.Mu.Lock()
	return err
}

// awaitResume lets go of the lock while k waits, and has the peer held back
// meanwhile.
func (l *loop) awaitResume(k *link, c lib.Connection) error {
	for l.Open(k) && k.Waits() {
		if err := k.Own.valve.close(c); err != nil {
			return err
		}
		l.Wait(k)
	}
	return nil
}

// skip drops what nobody will want.
func skip(r lib.Reader) {
	_ = r.Skip(r.Len()) // fails only for more than there is
	_ = r.Release()
}

// read delivers what the library has, or a part of it, and then has the peer
// held back until it has delivered all.
func (l *loop) read(k *link, c lib.Connection) error {
	r := c.Reader()
	n := min(r.Len(), l.Room(k), readSize)
	if n < r.Len() {
		if err := k.Own.valve.close(c); err != nil {
			return err
		}
	}
	fresh, err := r.Next(n)
	if err != nil {
		return err
	}
	l.Deliver(k, fresh)
	return r.Release()
}

// Paused only leaves k marked as such: if bytes come, the library's goroutine
// waits with them.
func (l *loop) Paused(*link) {}

func (l *loop) Resumed(k *link) { l.tellEnd(k) }
