package consume

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// measureEvery tells how far this job is behind, until ctx is over. It asks where
// the partitions end. The fetches say it too, but a job that is held back does
// not fetch.
func (s *session) measureEvery(ctx context.Context, every time.Duration) {
	defer s.k.metrics.lag.Set(0)
	admin := kadm.NewClient(s.client)
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if n, err := s.lag(ctx, admin); err == nil { // else the last figure stands
			s.k.metrics.lag.Set(float64(n))
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// lag is how many records of the partitions that this job owns are not finished.
func (s *session) lag(ctx context.Context, admin *kadm.Client) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	ends, err := admin.ListEndOffsets(ctx, s.k.cfg.Topic)
	if err != nil {
		return 0, err
	}
	starts, err := admin.ListStartOffsets(ctx, s.k.cfg.Topic)
	if err != nil {
		return 0, err
	}
	for number, w := range s.current() {
		end, ok := ends.Lookup(s.k.cfg.Topic, number)
		if !ok || end.Err != nil {
			continue
		}
		// What was deleted is not waited for.
		start, _ := starts.Lookup(s.k.cfg.Topic, number)
		n += max(0, end.Offset-max(w.finished(), start.Offset))
	}
	return n, nil
}

// finished is the offset before which all records are finished.
func (w *worker) finished() int64 {
	if last, ok := w.partition.Finished(); ok {
		return last.Offset + 1
	}
	return w.began.Load()
}
