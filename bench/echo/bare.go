package echo

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/bench/floor"
)

// Bare is what the floor of echoes cost: epoll_wait(2), recv(2) and send(2), on
// the links' own sockets and by the loops' own goroutines, and nothing else.
type Bare struct {
	Bytes int64 // echoed
	Lost  int64 // bytes that a socket did not take
	CPU   time.Duration
}

// bare takes the engine's place for a while. Its taps must have been given to
// Config.Wrap.
type bare struct {
	taps *floor.Taps

	mu   sync.Mutex // guards what follows
	stop *atomic.Bool
	done chan bareEnd
}

type bareEnd struct {
	sum Bare
	err error
}

// hold has every loop echo by bare system calls until release, and returns when
// all have begun. That works where nobody but the loop's goroutine reads its
// sockets, which is the reactor of ours; with the others it does nothing.
func (b *bare) hold(ctx context.Context, s *Server) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stop != nil {
		return 0, errors.New("echo: held already")
	}
	if name, _, _ := strings.Cut(s.Engine(), "+"); name != "epoll" {
		return 0, nil
	}
	ours := func(k floor.Socket) bool {
		return slices.ContainsFunc(s.Addrs(), func(a net.Addr) bool { return a.(*net.TCPAddr).Port == int(k.Local.Port()) })
	}
	sockets, err := b.taps.Sockets(ctx, ours)
	if err != nil {
		return 0, err
	}
	begun := make(chan struct{}, len(sockets))
	stop, done := new(atomic.Bool), make(chan bareEnd, 1)
	go b.run(sockets, stop, begun, done)
	for i := range sockets {
		n += len(sockets[i])
		select {
		case <-begun:
		case end := <-done:
			stop.Store(true) // for the loops that have begun
			return 0, end.err
		}
	}
	b.stop, b.done = stop, done
	return n, nil
}

// run keeps all loops busy until stop.
func (b *bare) run(sockets [][]floor.Socket, stop *atomic.Bool, begun chan<- struct{}, done chan<- bareEnd) {
	each := make([]Bare, len(sockets))
	err := b.taps.Each(context.Background(), func(loop int) error {
		fds := make([]int, len(sockets[loop]))
		for i, k := range sockets[loop] {
			fds[i] = k.FD
		}
		begun <- struct{}{}
		var failed error
		used, err := floor.Measure(func() { each[loop], failed = echoBare(fds, stop) })
		each[loop].CPU = used
		return errors.Join(err, failed)
	})
	var sum Bare
	for _, one := range each {
		sum.Bytes, sum.Lost, sum.CPU = sum.Bytes+one.Bytes, sum.Lost+one.Lost, sum.CPU+one.CPU
	}
	done <- bareEnd{sum, err}
}

// release ends hold.
func (b *bare) release() (Bare, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stop == nil {
		return Bare{}, nil
	}
	b.stop.Store(true)
	b.stop = nil
	end := <-b.done
	return end.sum, end.err
}
