package pollertest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

var crowds = []test{{"crowds/10,000 links", crowd}}

const (
	crowdSize   = 10_000
	raceCrowd   = 6_000 // where each link has a goroutine and the race detector counts them: it dies at 8,128
	crowdVar    = "OORT_POLLERTEST_CROWD"
	crowdTarget = "OORT_POLLERTEST_TARGET"
)

var crowdBlock = pattern(256)

// crowd holds the links in this process and their peers in another, as a
// process may open too few descriptors for both.
func crowd(t *testing.T, open Open) {
	if role() == "peers" {
		crowdPeers(t)
		return
	}
	var opened, closed, echoed atomic.Int64
	r := openRig(t, open, poller.Options{Loops: 2}, func(l poller.Loop, s *script) {
		s.open = func(poller.ID, poller.Conn) { opened.Add(1) }
		s.close = func(poller.ID, error) { closed.Add(1) }
		s.data = func(id poller.ID, in []byte) int {
			n, _ := l.Write(id, in)
			if echoed.Add(int64(n)); n < len(in) {
				t.Errorf("%v took %d bytes of %d", id, n, len(in))
			}
			return len(in)
		}
	})
	size := int64(crowdSize)
	if raceDetector && hasGoroutinePerLink(r) {
		size = raceCrowd
	}
	base := opened.Load() // those that were opened to find out
	cmd := child(t, "peers")
	cmd.Env = append(cmd.Env,
		fmt.Sprintf("%s=%s", crowdTarget, r.engine.Addrs()[0]),
		fmt.Sprintf("%s=%d", crowdVar, size))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	done := make(chan error, 1)
	go func() { done <- cmd.Run() }()
	r.eventually("every echo", func() bool { return opened.Load()-base == size && echoed.Load() == 4*size || len(done) > 0 })
	for i := range r.engine.Loops() {
		r.doOn(i, func(poller.Loop) { writeToAll(t, r.referees[i]) })
	}
	if err := wait(t, "the end of the peers", done); err != nil {
		t.Fatalf("peers: %v\n%s", err, out.Bytes())
	}
	r.eventually("every OnClose", func() bool { return closed.Load() >= size })
}

func writeToAll(t *testing.T, ref *referee) {
	ids := ref.tenants()
	taken := make([]int32, len(ids))
	ref.loop.WriteEach(ids, crowdBlock, taken)
	if i := slices.IndexFunc(taken, func(n int32) bool { return int(n) != len(crowdBlock) }); i >= 0 {
		t.Errorf("%v took %d bytes of %d", ids[i], taken[i], len(crowdBlock))
	}
}

// hasGoroutinePerLink finds out by opening some.
func hasGoroutinePerLink(r *rig) bool {
	const some = 20
	before := runtime.NumGoroutine()
	for range some {
		r.dial()
	}
	r.eventually("the first links", func() bool { return r.engine.Stats().Accepted == some })
	for i := range r.engine.Loops() {
		r.doOn(i, func(poller.Loop) {}) // OnOpen of the last one is over
	}
	return runtime.NumGoroutine()-before >= some
}

// crowdPeers connects, sends its number on each connection, and reads that and
// the block.
func crowdPeers(t *testing.T) {
	size, err := strconv.Atoi(os.Getenv(crowdVar))
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]net.Conn, size)
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("tcp", os.Getenv(crowdTarget)); err != nil {
			t.Fatalf("dial %d: %v", i, err)
		}
		defer conns[i].Close()
		conns[i].SetDeadline(time.Now().Add(4 * patience))
		if err := binary.Write(conns[i], binary.BigEndian, uint32(i)); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	want := append(make([]byte, 4), crowdBlock...)
	got := make([]byte, len(want))
	for i, c := range conns {
		binary.BigEndian.PutUint32(want, uint32(i))
		if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("connection %d: %d bytes, %v", i, n, err)
		}
	}
}
