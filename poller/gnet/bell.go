//go:build linux

package gnet

import (
	"context"
	"sync"
	"sync/atomic"

	lib "github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// bell makes a turn follow, in one of two ways.
//
// ring has gnet call the loop, by Execute, behind the events of its next
// batch. A turn must not ring for its successor so: gnet goes on with what was
// executed meanwhile before it polls, so links would wait for as long as turns
// ask for turns. For that there is again, which sends a byte to a socket among
// the links; gnet reads it when it has polled, and then rings.
type bell struct {
	// immutable after hang
	events lib.EventLoop
	turn   lib.Runnable
	socket int // the end that is written to

	rung atomic.Bool // a turn is due, and has not begun

	// mu is held to use gnet's descriptors, which belong to others once gnet
	// has been stopped.
	mu    sync.RWMutex
	still bool // guarded by mu

	// owned by the loop
	sent bool // a byte is on its way
}

// hang enrolls the bell's socket with gnet, by which it learns of gnet's loop.
func (b *bell) hang(client *lib.Client) error {
	conn, socket, err := pair()
	if err != nil {
		return err
	}
	b.socket = socket
	if _, err = client.EnrollContext(conn, b); err != nil {
		_ = unix.Close(socket)
	}
	return err
}

// ring may be called from anywhere.
func (b *bell) ring() {
	if !b.rung.CompareAndSwap(false, true) {
		return
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if !b.still {
		_ = b.events.Execute(context.Background(), b.turn) // fails only after shutdown
	}
}

// again is for turns.
func (b *bell) again() {
	if b.sent {
		return
	}
	b.sent = true
	_, _ = unix.Write(b.socket, []byte{0}) // one byte always fits
}

// silence ends the bell. Nobody is within ring afterwards.
func (b *bell) silence() {
	b.mu.Lock()
	b.still = true
	b.mu.Unlock()
}
