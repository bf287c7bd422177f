package raw

import (
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// openSteered opens more loops than get connects at a time, of which each is
// full at high links.
func openSteered(t *testing.T, loops, high, low int) (poller.Engine, *engine) {
	t.Helper()
	e := openEcho(t, Options{Private: true, full: marks{high: high, low: low}}, loops)
	return e, e.(*engine)
}

// perLoop is how many links each loop has accepted.
func (e *engine) perLoop() (n []int) {
	for _, l := range e.Own {
		n = append(n, int(l.Accepted()))
	}
	return n
}

func dial(t *testing.T, e poller.Engine, n int) (links []net.Conn) {
	t.Helper()
	for range n {
		c, err := net.Dial("tcp", e.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		ping(t, c)
		links = append(links, c)
	}
	return links
}

// ping waits until the link is a loop's.
func ping(t *testing.T, c net.Conn) {
	t.Helper()
	b := []byte{1}
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(b); err != nil {
		t.Fatal(err)
	}
}

// Connects go to the first loops until these are full, then to the next, and to
// the first again when links have gone.
func TestConnectsGoToFewLoops(t *testing.T) {
	const high, low = 8, 4
	most := steersFor * runtime.NumCPU()
	e, own := openSteered(t, 2*most, high, low)
	defer stop(t, e)
	first := dial(t, e, high*most/2)
	for i, n := range own.perLoop() {
		if i >= most && n > 0 && own.steer.fulls() == 0 {
			t.Errorf("loop %d got %d links while the first %d had room", i, n, most)
		}
	}
	all := append(first, dial(t, e, high*most)...)
	later := 0
	for _, n := range own.perLoop()[most:] {
		later += n
	}
	if later == 0 {
		t.Errorf("no link beyond the first %d loops: %v", most, own.perLoop())
	}
	for i, n := range own.perLoop() {
		// A loop says that it is full at the end of a turn, when others are on their way.
		if n > high+2 {
			t.Errorf("loop %d got %d links, full at %d", i, n, high)
		}
	}
	for _, c := range all {
		c.Close()
	}
	until(t, "no loop is full", func() bool { return own.steer.fulls() == 0 })
	before := own.perLoop()
	for _, c := range dial(t, e, most) {
		defer c.Close()
	}
	for i, n := range own.perLoop() {
		if i >= most && n > before[i] {
			t.Errorf("loop %d got %d more though the first have room again", i, n-before[i])
		}
	}
}

// Where all loops are full, all get connects.
func TestConnectsGoToAllWhenAllAreFull(t *testing.T) {
	loops := steersFor*runtime.NumCPU() + 1
	e, own := openSteered(t, loops, 1, 0)
	defer stop(t, e)
	for _, c := range dial(t, e, 20*loops) {
		defer c.Close()
	}
	for i, n := range own.perLoop() {
		if n == 0 {
			t.Errorf("loop %d of %d got none of %d links", i, loops, 20*loops)
		}
	}
}

// A kernel that takes no program of ours, here for what is no socket, deals connects
// as it likes, and is not asked again.
func TestKernelThatDoesNotSteer(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := &steering{most: 1, full: make([]bool, 2)}
	l := &loop{listeners: []listener{{fd: int(file.Fd())}}}
	s.begin(l)
	if !s.off {
		t.Error("steering goes on without the kernel")
	}
	s.steerLocked(l)
	s.end(l)
}

func (s *steering) fulls() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, full := range s.full {
		if full {
			n++
		}
	}
	return n
}
