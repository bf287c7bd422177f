package server

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/bench/control"
	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/poller/engines"
	"github.com/oortim/oort/proto/frame"
)

// netpoll's pollers are the process's and never end.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/cloudwego/netpoll.(*defaultPoll).Wait"))
}

func open(t *testing.T, f Flags) *Server {
	t.Helper()
	if f.TCP == nil {
		f.TCP = []string{"127.0.0.1:0"}
	}
	s, err := f.Open(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// join dials and authenticates as link i in a room.
func join(t *testing.T, s *Server, i, room int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.Addresses().TCP[0], "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	auth := fmt.Sprintf(`{"mid":%d,"key":"k%d","room_id":%q,"platform":"bench"}`, i+1, i, RoomName(uint32(room)))
	if _, err := c.Write(frame.Append(nil, frame.OpAuth, 1, []byte(auth))); err != nil {
		t.Fatal(err)
	}
	if f := read(t, c); f.Op != frame.OpAuthReply {
		t.Fatalf("link %d got %v instead of the reply to its auth", i, f.Op)
	}
	return c
}

func read(t *testing.T, c net.Conn) frame.Frame {
	t.Helper()
	head := make([]byte, 4, 4096)
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatal(err)
	}
	b := head[:binary.BigEndian.Uint32(head)]
	if _, err := io.ReadFull(c, b[4:]); err != nil {
		t.Fatal(err)
	}
	f, err := frame.Exact(b, 4096)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// wantStamps reads n messages and checks that they come in order.
func wantStamps(t *testing.T, c net.Conn, run, room uint32, n, size int) {
	t.Helper()
	for i := range n {
		f := read(t, c)
		st, ok := stamp.Parse(f.Body)
		if !ok || st.Run != run || st.Room != room || st.Seq != uint32(i)+1 || len(f.Body) != size {
			t.Fatalf("message %d is %v with %+v, %d bytes", i, f.Op, st, len(f.Body))
		}
	}
}

// On every engine, both kinds of logic: rooms, everyone and bare sends reach
// the links they should, in order.
func TestPushAndFloor(t *testing.T) {
	for i, engine := range engines.Specs() {
		t.Run(engine, func(t *testing.T) {
			s := open(t, Flags{Engine: engine, Loops: 2, Logic: []string{"memory", "none"}[i%2], TCP: []string{"127.0.0.1:0", "127.0.0.2:0"}, WS: []string{"127.0.0.1:0"}})
			if a := s.Addresses(); len(a.TCP) != 2 || len(a.WS) != 1 || !strings.HasSuffix(a.WS[0], "/sub") || !strings.HasPrefix(a.TCP[1], "tcp://127.0.0.2:") {
				t.Fatalf("addresses %+v", a)
			}
			const links = 6
			var conns []net.Conn
			for i := range links {
				conns = append(conns, join(t, s, i, i%2))
			}
			pushed, err := s.Push(t.Context(), PushArgs{Run: 7, Rooms: 2, Rate: 1000, Batch: 2, Size: 40, Count: 6})
			if err != nil || pushed.Messages != 12 || pushed.Concerns != 36 || pushed.Took <= 0 {
				t.Fatalf("%+v, %v", pushed, err)
			}
			for i, c := range conns {
				wantStamps(t, c, 7, uint32(i%2), 6, 40)
			}
			if pushed, err = s.Push(t.Context(), PushArgs{Run: 8, Count: 3}); err != nil || pushed.Messages != 3 || pushed.Concerns != 18 {
				t.Fatalf("everyone: %+v, %v", pushed, err)
			}
			for _, c := range conns {
				wantStamps(t, c, 8, stamp.Everyone, 3, stamp.Len)
			}
			floor, err := s.Floor(t.Context(), PushArgs{Run: 9, Rooms: 2, Rate: 1000, Batch: 2, Size: 40, Count: 4})
			if err != nil {
				t.Fatal(err)
			}
			if floor.Sockets == 0 {
				t.Logf("%s keeps its sockets outside of descriptor tables", engine)
				return
			}
			if floor.Sockets != links || floor.Messages != 4 || floor.Sent != links*2 || floor.Short != 0 || floor.CPU <= 0 {
				t.Fatalf("%+v", floor)
			}
			for _, c := range conns {
				wantStamps(t, c, 9, stamp.Everyone, 4, 40)
			}
			stats, err := s.Stats(t.Context(), StatsArgs{GC: true})
			if err != nil || stats.Ledger["delivered"] != 54 || stats.Engine.Accepted != links || stats.Metrics[`oort_comet_links{state="live"}`] != links {
				t.Errorf("%+v, %v", stats, err)
			}
			if stats.Heap <= 0 || stats.Goroutines <= 0 || stats.GCs == 0 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

func TestClosedLoop(t *testing.T) {
	s := open(t, Flags{Logic: "none"})
	c := join(t, s, 1, 0)
	go func() { _, _ = io.Copy(io.Discard, c) }()
	r, err := s.Push(t.Context(), PushArgs{Rooms: 1, Duration: 30 * time.Millisecond})
	if err != nil || r.Messages < 2 || r.Took < 30*time.Millisecond || r.Concerns != r.Messages {
		t.Errorf("%+v, %v", r, err)
	}
	if stats, err := s.Stats(t.Context(), StatsArgs{}); err != nil || stats.Ledger["delivered"] != uint64(r.Messages) {
		t.Errorf("%v, %v", stats.Ledger, err)
	}
}

// A second login of a key closes the first, by way of logic's own publisher
// when it is on another comet, and here by the comet itself.
func TestSecondLogin(t *testing.T) {
	s := open(t, Flags{})
	first := join(t, s, 1, 0)
	join(t, s, 1, 0)
	if f := read(t, first); f.Op != frame.OpDisconnect {
		t.Errorf("the first got %v", f.Op)
	}
}

func TestRefusals(t *testing.T) {
	s := open(t, Flags{Logic: "none"})
	for _, a := range []PushArgs{
		{}, {Rate: -1, Count: 1}, {Rate: math.NaN(), Count: 1}, {Rate: math.Inf(1), Count: 1}, {Rate: 1, Batch: 2, Count: 3},
		{Rate: 1, Rooms: -1, Count: 1}, {Rate: 1, Batch: -1, Count: 1}, {Rate: 1, Count: -1},
	} {
		if _, err := s.Push(t.Context(), a); err == nil {
			t.Errorf("pushed %+v", a)
		}
		if _, err := s.Floor(t.Context(), a); err == nil && a.Rooms == 0 { // which it does not look at
			t.Errorf("sent %+v", a)
		}
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(s.Addresses().TCP[0], "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(frame.Append(nil, frame.OpAuth, 1, []byte("let me in"))); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if f := read(t, c); f.Op == frame.OpAuthReply && !strings.Contains(string(f.Body), `"code"`) {
		t.Errorf("let in: %v %q", f.Op, f.Body)
	}
	for _, f := range []Flags{{}, {TCP: []string{"127.0.0.1:0"}, Engine: "warp"}} {
		if f.Validate() == nil {
			t.Errorf("%+v is valid", f)
		}
	}
	if _, err := (&Flags{TCP: []string{"256.0.0.1:0"}}).Open(t.Context(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("listens nowhere")
	}
}

// Batches are due evenly, whoever is late; a room's sequence has no gaps.
func TestSchedule(t *testing.T) {
	s, err := newSchedule(PushArgs{Run: 3, Rooms: 3, Rate: 10, Batch: 2, Count: 4})
	if err != nil {
		t.Fatal(err)
	}
	if s.batches != 6 || s.every != 200*time.Millisecond/3 {
		t.Errorf("%d batches, every %v", s.batches, s.every)
	}
	next := map[uint32]uint32{}
	for n := range s.batches {
		s.stamps(n, func(st stamp.Stamp) {
			if next[st.Room]++; st.Seq != next[st.Room] || st.Sent != s.base+int64(s.due(n)) || st.Run != 3 {
				t.Errorf("batch %d: %+v", n, st)
			}
		})
	}
	if len(next) != 3 || next[0] != 4 || next[1] != 4 || next[2] != 4 {
		t.Errorf("rooms got %v", next)
	}
}

// A handler that is slow does not shift what comes after it: what is due
// meanwhile comes together, and is told as late.
func TestScheduleCatchesUp(t *testing.T) {
	s, err := newSchedule(PushArgs{Rate: 1000, Count: 100})
	if err != nil {
		t.Fatal(err)
	}
	const stuck = 50 * time.Millisecond
	var calls, together int
	late, err := s.run(t.Context(), func(from, to int) error {
		if calls++; calls == 1 {
			time.Sleep(stuck) // the load itself
		}
		together = max(together, to-from)
		return nil
	})
	if err != nil || together < 40 || late < stuck || time.Since(s.start) < 99*time.Millisecond {
		t.Errorf("%d at once, %v late, %v", together, late, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.run(ctx, func(from, to int) error { cancel(); return nil }); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

func TestProfile(t *testing.T) {
	s := open(t, Flags{Logic: "none"})
	file := filepath.Join(t.TempDir(), "cpu.pprof")
	for i, step := range []struct {
		file string
		ok   bool
	}{{"", true}, {filepath.Join(file, "no"), false}, {file, true}, {file, false}, {"", true}, {file, true}} {
		if _, err := s.profiler.Profile(t.Context(), control.ProfileArgs{File: step.file}); (err == nil) != step.ok {
			t.Errorf("step %d: %v", i, err)
		}
	}
	if err := s.profiler.End(); err != nil { // as Close does with one that is forgotten
		t.Error(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

// A door opens and closes by turns, and with the server.
func TestDoor(t *testing.T) {
	s := open(t, Flags{Logic: "none"})
	for range 2 {
		at, err := s.door.turn(t.Context(), control.None{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", strings.TrimPrefix(at.Addr, "tcp://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(frame.Append(nil, frame.OpAuth, 1, []byte("{}"))); err != nil {
			t.Fatal(err)
		}
		if f := read(t, c); f.Op != frame.OpAuthReply || f.Seq != 1 {
			t.Errorf("got %+v", f)
		}
		if did, err := s.door.turn(t.Context(), control.None{}); err != nil || did.Links != 1 || did.CPU <= 0 || did.Addr != "" {
			t.Errorf("%+v, %v", did, err)
		}
	}
	if _, err := s.door.turn(t.Context(), control.None{}); err != nil {
		t.Error(err)
	}
}
