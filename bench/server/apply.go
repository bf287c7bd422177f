package server

import (
	"context"
	"fmt"
	"sync"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/pushpb"
)

// offsets number what enters the comet, as Kafka would.
type offsets struct {
	mu   sync.Mutex // held while a batch is applied, so that numbers arrive in order
	last int64      // guarded by mu
}

// apply hands pushes to the comet as one batch and returns how many links they
// concern. One whose time is over already concerns nobody.
func (s *Server) apply(ctx context.Context, pushes []*pushpb.Push) (links int64, err error) {
	s.applied.mu.Lock()
	defer s.applied.mu.Unlock()
	records := make([]comet.Record, len(pushes))
	for i, p := range pushes {
		s.applied.last++
		records[i] = comet.Record{Offset: s.applied.last, Push: p}
	}
	outcomes, err := s.comet.Apply(ctx, comet.Partition{}, records)
	for _, o := range outcomes {
		if o.Drop != comet.DropNone && o.Drop != comet.DropExpired || o.Replayed {
			return links, fmt.Errorf("the comet did not take a push: %+v", o)
		}
		links += int64(o.Links)
	}
	return links, err
}

// publisher is logic's way to the comet. All that logic publishes here are
// kicks.
type publisher struct{ s *Server }

var _ logic.Publisher = publisher{}

func (p publisher) Publish(ctx context.Context, pushes []*pushpb.Push) []error {
	results := make([]error, len(pushes))
	for i, push := range pushes {
		if _, err := p.s.apply(ctx, []*pushpb.Push{push}); err != nil {
			results[i] = fmt.Errorf("%w: %w", logic.ErrNotStored, err)
		}
	}
	return results
}

func (publisher) Ready(context.Context) error { return nil }
func (publisher) Close(context.Context) error { return nil }
