package pollertest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/oortim/oort/poller"
)

// In these tests nothing but a link's own events makes a loop turn: there is no
// timer, and no task while links are on their way. So a link that an engine
// leaves waiting waits for ever.
var arriving = []test{
	{"arriving/a listener without connects holds back no other", arriveAtOne},
	{"arriving/links that speak before OnOpen are heard", arriveAtHeld},
	{"arriving/every link of a storm is answered", arriveInStorm},
}

// Every link is greeted, and hears again what it says, until it says farewell
// and is closed.
const (
	greeting byte = 'w'
	farewell byte = 'x'
)

// listeners is how many addresses these engines listen on.
const listeners = 3

func openWelcoming(t *testing.T, open Open, o poller.Options) *rig {
	for range listeners {
		o.Listen = append(o.Listen, "127.0.0.1:0")
	}
	return openRig(t, open, o, func(l poller.Loop, s *script) {
		s.open = func(id poller.ID, _ poller.Conn) { l.Write(id, []byte{greeting}) }
		s.data = func(id poller.ID, in []byte) int {
			if in[0] == farewell {
				l.Close(id, errTest)
			} else {
				l.Write(id, in)
			}
			return len(in)
		}
	})
}

// arriveAtOne: the listeners of a loop share its AcceptBatch. One that waits
// for connects must not keep a part of it from the others.
func arriveAtOne(t *testing.T, open Open) {
	for batch := 1; batch <= listeners+1; batch++ {
		t.Run(fmt.Sprintf("AcceptBatch %d", batch), func(t *testing.T) {
			r := openWelcoming(t, open, poller.Options{AcceptBatch: batch})
			for _, addr := range r.engine.Addrs() {
				for range 3 * batch {
					if r.guest(addr).speak(t).hear(t); t.Failed() {
						return
					}
				}
			}
		})
	}
}

// arriveAtHeld: more connects than a turn may accept, and their first bytes,
// come while the loops can do nothing.
func arriveAtHeld(t *testing.T, open Open) {
	const batch, peers = 3, 50
	r := openWelcoming(t, open, poller.Options{Loops: 2, AcceptBatch: batch})
	for _, addr := range r.engine.Addrs() {
		release := r.hold()
		var guests []*guest
		for range peers {
			guests = append(guests, r.guest(addr).speak(t))
		}
		release()
		for _, g := range guests {
			if g.hear(t); t.Failed() {
				return
			}
		}
	}
}

// hold keeps every loop in a task until the function that it returns is
// called.
func (r *rig) hold() (release func()) {
	r.t.Helper()
	held, over := make(chan bool), make(chan struct{})
	for _, l := range r.engine.Loops() {
		f := func(poller.Loop) { held <- true; <-over }
		post(r.t, l, poller.Task{Ref: &call{f: f, done: make(chan struct{})}})
	}
	for range r.engine.Loops() {
		wait(r.t, "OnTask", held)
	}
	return func() { close(over) }
}

// arriveInStorm: those that leave at once, or are sent away, give their
// descriptors to others that are on their way to another loop. Each wave is at
// one address, and nothing happens after it before the next.
func arriveInStorm(t *testing.T, open Open) {
	const waves, peers = 30, 60
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := openWelcoming(t, open, poller.Options{Loops: 3, AcceptBatch: 4})
	for i := range uint64(waves) {
		var wave sync.WaitGroup
		for p := range uint64(peers) {
			g, rnd := r.guest(r.engine.Addrs()[i%listeners]), rand.New(rand.NewPCG(seed, i*peers+p))
			wave.Go(func() { g.stay(t, rnd) })
		}
		wave.Wait()
		if t.Failed() {
			return
		}
	}
}

// guest is the peer of a link.
type guest struct {
	*net.TCPConn
	word [4]byte
}

// guest dials addr.
func (r *rig) guest(addr net.Addr) *guest {
	r.t.Helper()
	g := &guest{TCPConn: r.dialTo(addr)}
	binary.BigEndian.PutUint32(g.word[:], uint32(len(r.peers)))
	return g
}

// speak sends the guest's word.
func (g *guest) speak(t *testing.T) *guest {
	if _, err := g.Write(g.word[:]); err != nil {
		t.Errorf("guest %x cannot write: %v", g.word, err)
	}
	return g
}

// hear reads the greeting and the guest's word.
func (g *guest) hear(t *testing.T) { g.read(t, append([]byte{greeting}, g.word[:]...)) }

func (g *guest) read(t *testing.T, want []byte) {
	got := make([]byte, len(want))
	if n, err := io.ReadFull(g, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("guest %x of %v got %q, want %q: %v", g.word, g.RemoteAddr(), got[:n], want, err)
	}
}

// stay is what a guest does, at random, in a storm.
func (g *guest) stay(t *testing.T, rnd *rand.Rand) {
	switch rnd.IntN(6) {
	case 0:
		reset(g.TCPConn)
		return
	case 1:
		g.Close()
		return
	case 2: // waits to be greeted
		g.read(t, []byte{greeting})
		g.speak(t).read(t, g.word[:])
	default:
		g.speak(t).hear(t)
	}
	switch rnd.IntN(4) {
	case 0:
		g.Close()
	case 1:
		g.Write([]byte{farewell})
		expectEnd(t, g.TCPConn)
	}
}
