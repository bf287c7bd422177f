package consume

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/pushpb"
)

// worker decodes the records of one partition and hands them on.
type worker struct {
	s         *session
	partition job.Partition
	committed job.Position // guarded by session.commitMu
	// next is the offset that is expected next; negative if any will do.
	next atomic.Int64

	ctx   context.Context
	end   context.CancelFunc
	ended sync.WaitGroup

	mu    sync.Mutex
	inbox []*kgo.Record // guarded by mu
	busy  bool          // guarded by mu; records are between inbox and partition
	came  chan struct{} // there is something in the inbox
	empty chan struct{} // guarded by mu; closed when inbox and hands are empty; nil if nobody waits
}

func startWorker(s *session, number int32) *worker {
	ctx, end := context.WithCancel(context.Background())
	w := &worker{
		s: s, partition: s.open(s.id, number),
		committed: job.Position{Offset: -1},
		ctx:       ctx, end: end,
		came: make(chan struct{}, 1),
	}
	w.next.Store(-1)
	w.ended.Go(w.run)
	return w
}

// put hands records over; it never blocks. What bounds the inbox is the budget,
// for which the poll waits.
func (w *worker) put(records []*kgo.Record) {
	w.s.budget.add(bytesOf(records))
	w.mu.Lock()
	w.inbox = append(w.inbox, records...)
	w.mu.Unlock()
	select {
	case w.came <- struct{}{}:
	default:
	}
}

func (w *worker) run() {
	for {
		records := w.take()
		if records == nil {
			select {
			case <-w.came:
				continue
			case <-w.ctx.Done():
				return
			}
		}
		decoded, spans := w.decode(records)
		err := w.partition.Take(w.ctx, decoded)
		spans.end()
		w.s.budget.add(-bytesOf(records))
		if err != nil {
			return
		}
	}
}

// take empties the inbox.
func (w *worker) take() []*kgo.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	records := w.inbox
	w.inbox = nil
	w.busy = records != nil
	if !w.busy && w.empty != nil {
		close(w.empty)
		w.empty = nil
	}
	return records
}

func (w *worker) decode(records []*kgo.Record) (decoded []job.Record, spans routing) {
	decoded = make([]job.Record, len(records))
	for i, r := range records {
		w.gap(r.Offset)
		push := new(pushpb.Push)
		if proto.Unmarshal(r.Value, push) != nil {
			push = nil
		}
		spans = w.begin(spans, r, push)
		decoded[i] = job.Record{
			Position: job.Position{LeaderEpoch: r.LeaderEpoch, Offset: r.Offset},
			Push:     push, Bytes: len(r.Value),
		}
	}
	return decoded, spans
}

// gap counts records that were deleted before they could be read.
func (w *worker) gap(offset int64) {
	if next := w.next.Load(); next >= 0 && offset > next {
		w.s.k.metrics.expired.Add(float64(offset - next))
	}
	w.next.Store(offset + 1)
}

// stop ends the worker; nothing is handed on afterwards.
func (w *worker) stop() {
	w.end()
	w.ended.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.s.budget.add(-bytesOf(w.inbox))
	w.inbox = nil
}

// drain waits until everything read has been handed on and answered.
func (w *worker) drain(ctx context.Context) error {
	if err := w.waitEmpty(ctx); err != nil {
		return err
	}
	return w.partition.Drain(ctx)
}

func (w *worker) waitEmpty(ctx context.Context) error {
	w.mu.Lock()
	if len(w.inbox) == 0 && !w.busy {
		w.mu.Unlock()
		return nil
	}
	if w.empty == nil {
		w.empty = make(chan struct{})
	}
	empty := w.empty
	w.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func bytesOf(records []*kgo.Record) (n int) {
	for _, r := range records {
		n += len(r.Value)
	}
	return n
}
