package comet

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/proto/pushpb"
)

// watched applies p and waits until the last loop is done with it.
func (r *rig) watched(p *pushpb.Push) (loops int, ends [ledger.Outcomes]uint32) {
	r.t.Helper()
	over := make(chan struct{})
	w := ledger.NewWatch(func(*ledger.Watch) { close(over) })
	r.offset++
	if _, err := r.Apply(context.Background(), Partition{}, []Record{{Offset: r.offset, Push: p, Watch: w}}); err != nil {
		r.t.Fatal(err)
	}
	w.Release()
	select {
	case <-over:
	case <-time.After(patience):
		r.t.Fatalf("%v of %d loops is never over", p, w.Loops())
	}
	return w.Loops(), w.Ended()
}

// TestWatch: whatever a push is for, when its watch is over it has ended for all
// who were to get it.
func TestWatch(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, nil)
		const few, many = 3, 20
		for i := range few {
			r.dial(i%2 == 0).auth(fmt.Sprint("few", i), "live://few")
		}
		for i := range many {
			r.dial(i%2 == 0).auth(fmt.Sprint("many", i), "live://many")
		}
		soon := time.Now().Add(time.Hour).UnixMicro()
		for _, row := range []struct {
			name      string
			push      *pushpb.Push
			delivered uint32
		}{
			{"few", &pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Room: "live://few"}, few},
			{"many", &pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Room: "live://many", ExpiresUs: soon}, many},
			{"nobody", &pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Room: "live://none"}, 0},
			{"keys", &pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"few0", "many7", "many8", "gone"}}, 3},
			{"no key", &pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"gone"}}, 0},
			{"all", &pushpb.Push{Kind: pushpb.Kind_KIND_ALL}, few + many},
			{"all, slowly", &pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Speed: 200}, few + many},
			{"expired", &pushpb.Push{Kind: pushpb.Kind_KIND_ALL, ExpiresUs: 1}, 0},
			{"another comet's", &pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Server: "c9@9"}, 0},
			{"kick", &pushpb.Push{Kind: pushpb.Kind_KIND_KICK, Keys: []string{"few0"}, Epochs: []uint64{1 << 60}}, 0},
		} {
			row.push.Id, row.push.Op, row.push.Lane = row.name, 1000, pushpb.Lane_LANE_CHAT
			loops, ends := r.watched(row.push)
			if ends[ledger.Delivered] != row.delivered || (loops > 0) != (row.delivered > 0) {
				t.Errorf("%s: %d loops, ended %v, want %d delivered", row.name, loops, ends, row.delivered)
			}
		}
	})
}

// TestWatchSeesDrops: what is shed before a flush is over for its loop, too.
func TestWatchSeesDrops(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, func(c *Config) { c.Loops = 1 })
		r.crowd("live://1")
		r.dial(false).auth("a", "live://1")
		records := make([]Record, 3)
		over := make(chan uint32, len(records))
		for i := range records {
			records[i] = Record{Offset: int64(i + 1), Push: &pushpb.Push{
				Id: fmt.Sprint(i), Kind: pushpb.Kind_KIND_ROOM, Room: "live://1", Op: 1000, Collapse: "likes", Lane: pushpb.Lane_LANE_CHAT,
			}}
			records[i].Watch = ledger.NewWatch(func(w *ledger.Watch) {
				ends := w.Ended()
				over <- 10*ends[ledger.Collapsed] + ends[ledger.Delivered]
			})
		}
		if _, err := r.Apply(context.Background(), Partition{}, records); err != nil {
			t.Fatal(err)
		}
		for i, want := range []uint32{10, 10, 1} { // one task of one loop: the last replaces the others
			records[i].Watch.Release()
			select {
			case got := <-over:
				if got != want {
					t.Errorf("message %d: %d, want %d", i, got, want)
				}
			case <-time.After(patience):
				t.Fatalf("message %d is never over", i)
			}
		}
	})
}
