package job

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/proto/pushpb"
)

const (
	// followBatch is how many pushes are followed up together.
	followBatch = 256
	// findFor is how long logic is asked for a batch, about as long as a push waits
	// for a comet. What it does not answer then is dropped as moved, for the records
	// behind it wait to be committed.
	findFor = 30 * time.Second
	// findMost is how many keys logic is asked for at once.
	findMost = 1000
)

// follow sends pushes after keys that are not at the comet any more to which
// logic addressed them. Logic is asked once where they are; what is elsewhere is
// stored a second time, under the same id, for the comet that has the key now,
// and marked, so that it happens once. The record counts as finished when the
// second one is stored.
//
// One batch at a time, in order: pushes that one comet missed follow a key in the
// order in which they were made. What a comet does about a follower that comes
// too late, or twice, stands in docs/design.md.
type follow struct {
	finder  Finder           // immutable; nil: nobody is followed
	writer  Writer           // immutable; nil too then
	now     func() time.Time // immutable
	log     *slog.Logger     // immutable
	metrics *metrics         // immutable once the job runs
	queue   *gather[straggler]
}

// straggler is a push that did not find some keys.
type straggler struct {
	p      *partition
	number int64 // of the entry of p that waits for it
	comet  ServerID
	record Record
	keys   []string
}

func newFollow(cfg Config, relieved func()) *follow {
	f := &follow{finder: cfg.Finder, writer: cfg.Writer, now: cfg.Now, log: cfg.Log}
	f.queue = newGather(followBatch, f.handle, relieved)
	return f
}

// can reports whether r may follow its keys.
func (f *follow) can(r Record) bool {
	return f.finder != nil && r.Push.Kind == pushpb.Kind_KIND_KEYS && r.Push.Server != "" && !r.Push.Moved
}

// handle finds the keys of a batch and sends the pushes after them.
func (f *follow) handle(ctx context.Context, batch []straggler) {
	defer watchful(f.log, "job: pushes cannot follow their keys yet; nothing is committed meanwhile", len(batch))()
	where := f.find(ctx, batch)
	if ctx.Err() != nil {
		return
	}
	var pushes []*pushpb.Push
	for i := range batch {
		if s := &batch[i]; !s.p.gone() {
			pushes = append(pushes, f.split(s, where)...)
		}
	}
	if !f.write(ctx, pushes) {
		return
	}
	for i := range batch {
		batch[i].p.settle(batch[i].number)
	}
}

// find asks where the keys of a batch are; nil if logic does not answer in time.
func (f *follow) find(ctx context.Context, batch []straggler) map[string]ServerID {
	ctx, cancel := context.WithTimeout(ctx, findFor)
	defer cancel()
	where := make(map[string]ServerID)
	var keys []string
	for _, s := range batch {
		for _, key := range s.keys {
			if _, known := where[key]; !known {
				where[key] = ""
				keys = append(keys, key)
			}
		}
	}
	for len(keys) > 0 {
		n := min(findMost, len(keys))
		servers, ok := f.ask(ctx, keys[:n])
		if !ok {
			return nil
		}
		for i, server := range servers {
			where[keys[i]] = server
		}
		keys = keys[n:]
	}
	return where
}

// ask asks logic until it answers or ctx is over.
func (f *follow) ask(ctx context.Context, keys []string) ([]ServerID, bool) {
	for fails := 0; ctx.Err() == nil; fails++ {
		servers, err := f.finder.Where(ctx, keys)
		if err == nil {
			return servers, true
		}
		if fails == 0 && ctx.Err() == nil {
			f.log.Warn("job: logic does not say where keys live; trying again", "err", err)
		}
		sleep(ctx, backoff(fails))
	}
	return nil, false
}

// split makes the pushes that follow s, one a comet, and drops the rest.
func (f *follow) split(s *straggler, where map[string]ServerID) (pushes []*pushpb.Push) {
	if e := s.record.Push.ExpiresUs; e != 0 && e <= f.now().UnixMicro() {
		s.drop(ReasonExpired, s.keys)
		return nil
	}
	if where == nil {
		s.drop(ReasonMoved, s.keys)
		return nil
	}
	var offline []string
	by := make(map[ServerID]*pushpb.Push)
	for _, key := range s.keys {
		server := where[key]
		if server == "" {
			offline = append(offline, key)
			continue
		}
		if by[server] == nil {
			by[server] = following(s.record.Push, server)
			pushes = append(pushes, by[server])
		}
		by[server].Keys = append(by[server].Keys, key)
	}
	if len(offline) > 0 {
		s.drop(ReasonClosed, offline)
	}
	return pushes
}

// drop enters s for some keys, for which its record has to wait, too.
func (s *straggler) drop(reason Reason, keys []string) {
	s.p.more(s.number, 1)
	s.p.drop(s.comet, s.record, s.number, keys, Outcome{Drop: reason})
}

// following is p for server, once more and for the last time.
func following(p *pushpb.Push, server ServerID) *pushpb.Push {
	again := proto.CloneOf(p)
	again.Server, again.Moved, again.Keys = string(server), true, nil
	return again
}

// write stores pushes, however long that takes; false if ctx is over first.
// Those that are stored twice are for the comets to notice.
func (f *follow) write(ctx context.Context, pushes []*pushpb.Push) bool {
	for fails := 0; len(pushes) > 0; fails++ {
		err := f.writer.Write(ctx, pushes)
		if err == nil {
			f.metrics.followed.Add(float64(len(pushes)))
			break
		}
		if ctx.Err() != nil {
			return false
		}
		if fails == 0 {
			f.log.Warn("job: pushes that follow their keys are not stored; trying again", "err", err)
		}
		sleep(ctx, backoff(fails))
	}
	return true
}
