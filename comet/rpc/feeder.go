package rpc

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/proto/cometpb"
)

// feedRest lies between two tellings of changes that nobody asked for. The
// first change after a rest is told at once.
const feedRest = 50 * time.Millisecond

// answers is the sending side of a stream, for several goroutines.
type answers struct {
	stream cometpb.Comet_PushServer

	mu sync.Mutex // held over Send
}

func (a *answers) send(m *cometpb.FromComet) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stream.Send(m)
}

// feeder tells one job which rooms are here, and answers its Syncs. It has a
// goroutine of its own, so that a million rooms hold no batch up.
type feeder struct {
	out   *answers
	feed  *comet.RoomFeed
	asked atomic.Uint64 // the number of the last Sync
	syncs chan struct{} // a Sync has come
}

func newFeeder(c *comet.Server, out *answers) *feeder {
	return &feeder{out: out, feed: c.RoomFeed(), syncs: make(chan struct{}, 1)}
}

// sync asks for the echo of n, and of those that came before and have none yet.
func (f *feeder) sync(n uint64) {
	f.asked.Store(n)
	select {
	case f.syncs <- struct{}{}:
	default:
	}
}

// run tells until ctx is over or the stream breaks.
func (f *feeder) run(ctx context.Context) {
	defer f.feed.Close()
	rest := time.NewTimer(feedRest)
	defer rest.Stop()
	for err := f.tell(); err == nil && ctx.Err() == nil; {
		rest.Reset(feedRest)
		if f.wait(ctx, rest.C) {
			err = f.echo()
		} else {
			err = f.tell()
		}
	}
}

// wait returns when there is something to tell, after a rest, or a Sync to echo,
// which has no rest to wait for, or ctx is over.
func (f *feeder) wait(ctx context.Context, rested <-chan time.Time) (asked bool) {
	var more <-chan struct{}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-f.syncs:
			return true
		case <-rested:
			more = f.feed.More()
		case <-more:
			return false
		}
	}
}

// tell sends what has changed up to now; at first that is everything.
func (f *feeder) tell() error {
	upTo := f.feed.Now()
	for {
		c, ok := f.feed.Next(upTo)
		if !ok {
			return nil
		}
		rooms := &cometpb.Rooms{Snapshot: c.Snapshot, Added: c.Added, Removed: c.Removed}
		if err := f.out.send(&cometpb.FromComet{Kind: &cometpb.FromComet_Rooms{Rooms: rooms}}); err != nil {
			return err
		}
	}
}

// echo answers the last Sync behind every change that came before it. The
// number is read first: what it stands for was asked before the changes are.
func (f *feeder) echo() error {
	n := f.asked.Load()
	if err := f.tell(); err != nil {
		return err
	}
	return f.out.send(&cometpb.FromComet{Kind: &cometpb.FromComet_Sync{Sync: &cometpb.Sync{N: n}}})
}
