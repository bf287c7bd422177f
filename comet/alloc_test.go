package comet

import (
	"io"
	"testing"
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/comet/link"
	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/comet/wheel"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/ws"
)

// idle is a loop whose sockets take everything.
type idle struct {
	poller.Loop
	wrote int
}

func (*idle) Index() int { return 0 }
func (l *idle) Write(_ poller.ID, b []byte) (int, error) {
	l.wrote += len(b)
	return len(b), nil
}

// lone is a bucket over a loop that is none.
func lone(t *testing.T, l poller.Loop, stage link.Stage) *bucket {
	t.Helper()
	cfg := Config{Server: "c1@1", TCP: []string{"-"}, Loops: 1, Engine: func(poller.Options) (poller.Engine, error) { return nil, io.EOF }}
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Limits.Rate, cfg.Limits.Burst = 10_000, 60_000
	return newBucket(&Server{
		cfg: cfg, start: time.Now(), census: newCensus(1), sources: newSources(0, 0), meters: []*meters{{}},
		roles: []link.Stage{stage}, decode: link.Limits{Frame: 4096},
	}, l)
}

// TestHeartbeatAllocatesNothing, from bytes to bytes, on either wire: a million
// links that do nothing else are nothing to the collector.
func TestHeartbeatAllocatesNothing(t *testing.T) {
	beat := frame.Append(nil, frame.OpHeartbeat, 7, nil)
	rows := map[string]struct {
		enc   room.Encoding
		stage link.Stage
		wire  []byte
	}{
		"tcp": {room.TCP, link.StageTCP, beat},
		"ws":  {room.WebSocket, link.StageWS, ws.AppendMasked(nil, ws.OpBinary, true, [4]byte{1, 2, 3, 4}, beat)},
	}
	for name, row := range rows {
		l := &idle{}
		b := lone(t, l, row.stage)
		id := poller.ID{Slot: 3, Gen: 1}
		b.OnOpen(id, poller.Conn{})
		r := b.at(id)
		r.state, r.enc, r.heartbeat = live, row.enc, 1000
		if b.joinRoom(r, ident.Room("live://1")) != ReasonNone {
			t.Fatal("not joined")
		}
		in := make([]byte, len(row.wire))
		n := testing.AllocsPerRun(100, func() {
			copy(in, row.wire) // it is unmasked in place
			if used := b.OnData(id, in); used != len(in) {
				t.Fatal("used", used)
			}
		})
		if n != 0 || l.wrote == 0 {
			t.Errorf("%s: %v allocations a heartbeat, %d bytes written", name, n, l.wrote)
		}
	}
}

// TestIdleAllocatesNothing: a turn of a loop whose links do nothing, with all
// their deadlines in the wheel.
func TestIdleAllocatesNothing(t *testing.T) {
	b := lone(t, &idle{}, link.StageTCP)
	for slot := range uint32(10_000) {
		id := poller.ID{Slot: slot, Gen: 1}
		b.OnOpen(id, poller.Conn{})
		r := b.at(id)
		r.state, r.heartbeat = live, 1<<20
		b.fresh--
		if b.joinRoom(r, ident.Room("live://1")) != ReasonNone {
			t.Fatal("not joined")
		}
		b.rearm(r)
	}
	now := time.Now()
	b.OnTurn(now)
	n := testing.AllocsPerRun(100, func() {
		now = now.Add(wheel.Tick)
		b.OnTurn(now)
	})
	if n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
}

// TestPushToFewAllocatesNothing: nor does a room push through the owner's side
// of rooms with few members.
func TestPushToFewAllocatesNothing(t *testing.T) {
	l := &idle{}
	b := lone(t, l, link.StageTCP)
	for slot := range uint32(3) {
		id := poller.ID{Slot: slot, Gen: 1}
		b.OnOpen(id, poller.Conn{})
		r := b.at(id)
		r.state, r.heartbeat, r.enc = live, 1000, room.Encoding(slot%2)
		b.joinRoom(r, ident.Room("live://1"))
	}
	m := room.NewMsg(1000, make([]byte, 30), ledger.Chat, 0)
	m.Trace = ledger.NewTrace(0)
	now := time.Now()
	n := testing.AllocsPerRun(100, func() {
		for range 3 {
			b.rooms.Push("live://1", m)
		}
		b.OnTurn(now)
	})
	if n != 0 || l.wrote == 0 {
		t.Errorf("%v allocations a push, %d bytes written", n, l.wrote)
	}
}
