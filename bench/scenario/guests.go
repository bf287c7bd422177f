package scenario

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/client"
	"github.com/oortim/oort/proto/frame"
)

// guest is a link of the Go client in the conductor's process, which does what
// the swarm's cannot: it changes rooms, is pushed to by its key, and reads when
// it likes.
type guest struct {
	link  *client.Client
	moves bool // it changes rooms, so it misses what its rooms get meanwhile

	mu     sync.Mutex // guards what follows
	wake   sync.Cond
	asleep bool // the reader waits
	gotten gotten
	run    uint32
	newest map[sequence]uint32
}

// gotten is what guests got in a run.
type gotten struct {
	messages int64
	missed   int64 // passed over, by their sequences
	doubles  int64 // not newer than one before
	told     int64 // missed, as gap markers say
}

func (g *gotten) add(o gotten) {
	g.messages += o.messages
	g.missed += o.missed
	g.doubles += o.doubles
	g.told += o.told
}

// sequence is what a stamp's Seq counts in.
type sequence struct {
	direct bool
	room   uint32
}

// direct marks the run of messages that go to keys: there Room is the number of
// the key, and not of a room.
const direct = 1 << 31

func dialGuest(ctx context.Context, o client.Options) (*guest, error) {
	g := &guest{newest: map[sequence]uint32{}}
	g.wake.L = &g.mu
	o.Platform, o.Handle, o.Heartbeat = "bench", g.take, time.Second
	link, err := client.Dial(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("guest %q: %w", o.Key, err)
	}
	g.link = link
	return g, nil
}

// take is called by the reader of the link.
func (g *guest) take(m client.Message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.asleep {
		g.wake.Wait()
	}
	if m.Gap != nil {
		g.gotten.told += int64(m.Gap.Skipped)
		return
	}
	s, ok := stamp.Parse(m.Body)
	if !ok || s.Run&^direct != g.run {
		return
	}
	in := sequence{s.Run&direct != 0, s.Room}
	last := g.newest[in]
	switch {
	case s.Seq <= last:
		g.gotten.doubles++
		return
	case !g.moves || in.direct || s.Room == stamp.Everyone:
		g.gotten.missed += int64(s.Seq - last - 1)
	}
	g.newest[in] = s.Seq
	g.gotten.messages++
}

// sleep has the reader wait, or go on.
func (g *guest) sleep(asleep bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asleep = asleep
	g.wake.Broadcast()
}

func (g *guest) begin(run uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.run, g.gotten = run, gotten{}
	clear(g.newest)
}

func (g *guest) got() gotten {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gotten
}

// close ends the link, whether its reader sleeps or not.
func (g *guest) close() {
	g.link.Close()
	g.sleep(false)
	<-g.link.Done()
}

// guests are all guests of a soak but the mutes, which are added to gone when
// they have gone.
type guests struct {
	walkers, dozers []*guest

	mu   sync.Mutex // guards gone
	gone gotten
}

func (all *guests) each(f func(*guest)) {
	for _, g := range all.walkers {
		f(g)
	}
	for _, g := range all.dozers {
		f(g)
	}
}

func (all *guests) walker(ctx context.Context, addr string, i, rooms int) error {
	g, err := dialGuest(ctx, client.Options{
		Addr: addr, Mid: int64(i + 1), Key: fmt.Sprint(walkerKey, i), Room: server.RoomName(uint32(i % rooms)),
	})
	if err == nil {
		g.moves = true
		all.walkers = append(all.walkers, g)
	}
	return err
}

func (all *guests) dozer(ctx context.Context, addr string, i int) error {
	g, err := dialGuest(ctx, client.Options{
		Addr: addr, Mid: int64(i + 1), Key: fmt.Sprint("dozer-", i), Room: fatRoom + "0",
		Accepts: []int32{server.PushOp, int32(frame.OpGap)},
	})
	if err == nil {
		all.dozers = append(all.dozers, g)
	}
	return err
}

// begin starts a run.
func (all *guests) begin(run uint32) {
	all.each(func(g *guest) { g.begin(run) })
	all.mu.Lock()
	defer all.mu.Unlock()
	all.gone = gotten{}
}

// got is what all have got, those that have gone included.
func (all *guests) got() (sum gotten) {
	all.each(func(g *guest) { sum.add(g.got()) })
	all.mu.Lock()
	defer all.mu.Unlock()
	sum.add(all.gone)
	return sum
}

// ended lists those whose links are no more.
func (all *guests) ended() (errs []error) {
	all.each(func(g *guest) {
		if err := g.link.Err(); err != nil {
			errs = append(errs, fmt.Errorf("a guest's link ended: %w", err))
		}
	})
	return errs
}

// leave closes all. It may be called often.
func (all *guests) leave() { all.each((*guest).close) }

// walk has walkers change rooms until stop is closed, and says how often they
// have.
func (all *guests) walk(ctx context.Context, stop <-chan struct{}, rate float64, rooms int) (walks int64, err error) {
	beat := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer beat.Stop()
	for {
		select {
		case <-stop:
			return walks, nil
		case <-ctx.Done():
			return walks, ctx.Err()
		case <-beat.C:
		}
		g := all.walkers[rand.IntN(len(all.walkers))]
		if err := g.link.ChangeRoom(ctx, server.RoomName(uint32(rand.IntN(rooms)))); err != nil {
			return walks, fmt.Errorf("change of room: %w", err)
		}
		walks++
	}
}

// doze has dozers sleep for a while, once.
func (all *guests) doze(ctx context.Context, stop <-chan struct{}, nap time.Duration) {
	for _, g := range all.dozers {
		g.sleep(true)
		defer g.sleep(false)
	}
	t := time.NewTimer(nap)
	defer t.Stop()
	select {
	case <-stop:
	case <-ctx.Done():
	case <-t.C:
	}
}

// lookAgain is how often a mute looks whether it was dropped.
const lookAgain = 50 * time.Millisecond

// mute keeps a link that never reads until stop is closed: when the server has
// dropped it, it dials anew. It says how often it was dropped.
func (all *guests) mute(ctx context.Context, stop <-chan struct{}, addr string, i int, run uint32) (dropped int64, err error) {
	for {
		g, err := dialGuest(ctx, client.Options{
			Addr: addr, Mid: int64(i + 1), Key: fmt.Sprint("mute-", i), Room: fatRoom + "0",
		})
		if err != nil {
			return dropped, err
		}
		g.begin(run)
		g.sleep(true)
		over := g.lie(ctx, stop)
		g.close()
		all.mu.Lock()
		got := g.got()
		got.missed = 0 // it began in the middle
		all.gone.add(got)
		all.mu.Unlock()
		if over {
			return dropped, ctx.Err()
		}
		dropped++
	}
}

// lie waits until the server has dropped g, or for stop.
func (g *guest) lie(ctx context.Context, stop <-chan struct{}) (over bool) {
	beat := time.NewTicker(lookAgain)
	defer beat.Stop()
	for g.link.Err() == nil {
		select {
		case <-stop:
			return true
		case <-ctx.Done():
			return true
		case <-beat.C:
		}
	}
	return false
}
