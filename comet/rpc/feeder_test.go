package rpc

import (
	"net"
	"slices"
	"testing"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/frame"
)

func syncOf(n uint64) *cometpb.ToComet {
	return &cometpb.ToComet{Kind: &cometpb.ToComet_Sync{Sync: &cometpb.Sync{N: n}}}
}

// client joins live://1, which is the room of every client of this logic, and
// returns when the reply has come.
func client(t *testing.T, c *comet.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", c.TCPAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	change(t, conn, frame.OpAuth, "{}")
	return conn
}

// change sends a request and waits for the reply.
func change(t *testing.T, conn net.Conn, op frame.Op, body string) {
	t.Helper()
	if _, err := conn.Write(frame.Append(nil, op, 1, []byte(body))); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
}

// told reads up to the echo of n and returns what the rooms are then, beginning
// with has.
func told(t *testing.T, s cometpb.Comet_PushClient, n uint64, has ...string) []string {
	t.Helper()
	for {
		switch k := receive(t, s).Kind.(type) {
		case *cometpb.FromComet_Rooms:
			if k.Rooms.Snapshot {
				has = nil
			}
			has = slices.DeleteFunc(has, func(r string) bool { return slices.Contains(k.Rooms.Removed, r) })
			for _, r := range k.Rooms.Added {
				if !slices.Contains(has, r) {
					has = append(has, r)
				}
			}
		case *cometpb.FromComet_Sync:
			if k.Sync.GetN() != n {
				t.Fatalf("echo of %d, want %d", k.Sync.GetN(), n)
			}
			return has
		}
	}
}

// TestRoomsBeforeTheEcho: who sends a Sync when a join was answered knows of the
// room with the echo; who has left is not waited for.
func TestRoomsBeforeTheEcho(t *testing.T) {
	withServer(t, func(t *testing.T, c *comet.Server, s cometpb.Comet_PushClient) {
		ask(t, s, hello(own))
		sync := func(n uint64, want ...string) {
			t.Helper()
			if err := s.Send(syncOf(n)); err != nil {
				t.Fatal(err)
			}
			if got := told(t, s, n); !slices.Equal(got, want) {
				t.Errorf("Sync %d: rooms %v, want %v", n, got, want)
			}
		}
		sync(1)
		conn := client(t, c)
		sync(2, "live://1")
		change(t, conn, frame.OpChangeRoom, "live://2")
		if err := s.Send(syncOf(2)); err != nil { // the same number once more
			t.Fatal(err)
		}
		if got := told(t, s, 2, "live://1"); !slices.Equal(got, []string{"live://2"}) {
			t.Errorf("rooms %v, want live://2 only", got)
		}
	})
}

// TestRoomsUnasked: the snapshot comes by itself, and so do changes.
func TestRoomsUnasked(t *testing.T) {
	withServer(t, func(t *testing.T, c *comet.Server, s cometpb.Comet_PushClient) {
		ask(t, s, hello(own))
		if first := receive(t, s).GetRooms(); !first.GetSnapshot() || len(first.Added) > 0 {
			t.Errorf("first came %v, want an empty snapshot", first)
		}
		conn := client(t, c)
		if got := receive(t, s).GetRooms(); got.GetSnapshot() || !slices.Equal(got.GetAdded(), []string{"live://1"}) {
			t.Errorf("then %v, want live://1", got)
		}
		change(t, conn, frame.OpChangeRoom, "")
		if got := receive(t, s).GetRooms(); !slices.Equal(got.GetRemoved(), []string{"live://1"}) {
			t.Errorf("then %v, want it removed", got)
		}
	})
}

// TestSnapshotOfThoseThatAreThere: a job that comes later is told what is so.
func TestSnapshotOfThoseThatAreThere(t *testing.T) {
	withServer(t, func(t *testing.T, c *comet.Server, s cometpb.Comet_PushClient) {
		client(t, c)
		ask(t, s, hello(own))
		if first := receive(t, s).GetRooms(); !first.GetSnapshot() || !slices.Equal(first.Added, []string{"live://1"}) {
			t.Errorf("first came %v, want a snapshot of live://1", first)
		}
	})
}
