package pollertest

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

var storms = []test{{"storms/any mix of operations keeps the rules", storm}}

// Both directions of every link carry bytes that count up from 0 modulo 251,
// so a byte lost, doubled or out of place is seen. All else is random; the
// referee judges.
const modulus = 251

// tally is what a storm's handler knows of a link.
type tally struct {
	in, out byte // next byte expected and to be sent
	ended   bool // CloseWrite was called
}

// weather is the random handler of one loop.
type weather struct {
	t      *testing.T
	loop   poller.Loop
	rnd    *rand.Rand
	links  map[poller.ID]*tally
	ids    []poller.ID
	closed *atomic.Int64
	bytes  []byte // bytes[i] = i modulo modulus
}

func storm(t *testing.T, open Open) {
	const peers, loops = 24, 2
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var opened, closed atomic.Int64
	bytes := make([]byte, 64<<10+modulus)
	for i := range bytes {
		bytes[i] = byte(i % modulus)
	}
	o := poller.Options{Loops: loops, Queue: 256, MaxRest: 5000, AcceptBatch: 4}
	r := openRig(t, open, o, func(l poller.Loop, s *script) {
		w := &weather{
			t: t, loop: l, rnd: rand.New(rand.NewPCG(seed, uint64(l.Index()))),
			links: map[poller.ID]*tally{}, closed: &closed, bytes: bytes,
		}
		w.plug(s)
		open := s.open
		s.open = func(id poller.ID, c poller.Conn) { opened.Add(1); open(id, c) }
	})
	var crowd sync.WaitGroup
	end := time.Now().Add(700 * time.Millisecond)
	for i := range uint64(peers) {
		crowd.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 1000+i))
			for time.Now().Before(end) {
				visit(t, r.engine.Addrs()[0].String(), rnd, bytes)
			}
		})
	}
	for i := range uint64(3) {
		crowd.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 2000+i))
			for time.Now().Before(end) {
				r.engine.Loops()[rnd.IntN(loops)].Post(poller.Task{Kind: numbered, Arg: rnd.Uint64()})
				time.Sleep(time.Duration(rnd.IntN(300)) * time.Microsecond)
			}
		})
	}
	crowd.Wait()
	r.eventually("all links end", func() bool {
		for i := range loops {
			r.doOn(i, func(l poller.Loop) { // paused links learn of their peer's end only now
				for _, id := range r.referees[i].tenants() {
					r.referees[i].loop.Resume(id)
				}
			})
		}
		return opened.Load() == closed.Load()
	})
	if opened.Load() < peers {
		t.Errorf("only %d links", opened.Load())
	}
}

// visit is one connection of a peer: it sends, reads and ends at random.
func visit(t *testing.T, addr string, rnd *rand.Rand, bytes []byte) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Errorf("dial: %v", err)
		return
	}
	p := c.(*net.TCPConn)
	defer p.Close()
	p.SetDeadline(time.Now().Add(patience))
	var next, expected byte
	buf := make([]byte, 32<<10)
	for range rnd.IntN(20) {
		switch rnd.IntN(3) {
		case 0, 1:
			n, err := p.Write(bytes[next:][:1+rnd.IntN(3000)])
			next = byte((int(next) + n) % modulus)
			if err != nil {
				return
			}
		case 2:
			p.SetReadDeadline(time.Now().Add(time.Duration(rnd.IntN(2000)) * time.Microsecond))
			n, err := p.Read(buf)
			if !counts(buf[:n], &expected) {
				t.Error("a peer got bytes out of order")
			}
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
		}
	}
	switch rnd.IntN(4) {
	case 0:
		p.SetLinger(0)
	case 1:
		p.CloseWrite()
		p.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		got, _ := io.ReadAll(p)
		if !counts(got, &expected) {
			t.Error("a peer got bytes out of order")
		}
	}
}

// counts checks that b counts up from *next, and moves that on.
func counts(b []byte, next *byte) bool {
	for _, c := range b {
		if c != *next {
			return false
		}
		*next = (c + 1) % modulus
	}
	return true
}

func (w *weather) plug(s *script) {
	s.open = func(id poller.ID, _ poller.Conn) {
		w.links[id] = &tally{}
		w.ids = append(w.ids, id)
		w.blow()
	}
	s.data = func(id poller.ID, in []byte) int {
		k := w.links[id]
		next := k.in
		if !counts(in, &next) {
			w.t.Errorf("%v: bytes out of order", id)
		}
		w.blow()
		used := len(in)
		if w.rnd.IntN(3) == 0 {
			used = w.rnd.IntN(len(in) + 1)
		}
		k.in = byte((int(k.in) + used) % modulus)
		return used
	}
	s.writable = func(id poller.ID) { w.write(id); w.blow() }
	s.close = func(id poller.ID, _ error) {
		w.closed.Add(1)
		delete(w.links, id)
		for i := range w.ids {
			if w.ids[i] == id {
				w.ids[i] = w.ids[len(w.ids)-1]
				w.ids = w.ids[:len(w.ids)-1]
				break
			}
		}
		w.blow()
	}
	s.task = func(t poller.Task) {
		if t.Kind != numbered {
			w.loop.Resume(t.ID)
			return
		}
		w.blow()
	}
	s.turn = func(time.Time) time.Duration {
		if w.rnd.IntN(4) == 0 {
			w.blow()
		}
		return time.Duration(w.rnd.IntN(5)-1) * time.Millisecond
	}
}

// blow does something to some link.
func (w *weather) blow() {
	if len(w.ids) == 0 {
		return
	}
	id := w.ids[w.rnd.IntN(len(w.ids))]
	switch n := w.rnd.IntN(40); {
	case n < 12:
		w.write(id)
	case n < 15:
		w.writeEach()
	case n < 20:
		w.loop.Pause(id)
		w.loop.Post(poller.Task{ID: id}) // resumes; if the queue is full, the end of the storm does
	case n < 23:
		w.loop.Resume(id)
	case n < 25:
		w.loop.Close(id, errTest)
	case n < 26:
		w.links[id].ended = true
		w.loop.CloseWrite(id)
	}
}

func (w *weather) write(id poller.ID) {
	k := w.links[id]
	b := w.bytes[k.out:][:w.rnd.IntN(60_000)]
	var n int
	if w.rnd.IntN(2) == 0 {
		n, _ = w.loop.Write(id, b)
	} else {
		at := w.rnd.IntN(len(b) + 1)
		n, _ = w.loop.Writev(id, [][]byte{b[:at], b[at:]})
	}
	k.out = byte((int(k.out) + n) % modulus)
	if k.ended && n > 0 {
		w.t.Errorf("%v took bytes after CloseWrite", id)
	}
}

// writeEach writes to some links that stand at the same byte.
func (w *weather) writeEach() {
	at := w.links[w.ids[0]].out
	var ids []poller.ID
	for _, id := range w.ids {
		if w.links[id].out == at {
			ids = append(ids, id)
		}
	}
	taken := make([]int32, len(ids))
	w.loop.WriteEach(ids, w.bytes[at:][:w.rnd.IntN(2000)], taken)
	for i, id := range ids {
		k := w.links[id]
		k.out = byte((int(k.out) + int(max(taken[i], 0))) % modulus)
	}
}
