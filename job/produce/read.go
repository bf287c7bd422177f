package produce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/oortim/oort/proto/dropped"
	"github.com/oortim/oort/proto/kafka"
)

// ReadConfig of Read. The zero value of a field means its default.
type ReadConfig struct {
	// Brokers to reach. Required.
	Brokers kafka.Brokers
	// Ledger is the topic. Required.
	Ledger string
	// ID of a message: only the partition is read in which it would be, which has
	// others, too. Zero means all partitions.
	ID string
	// After is the time from which on entries are wanted, by the broker's or the
	// producer's clock. Zero means all that there are.
	After time.Time
}

// Read calls visit with each entry that is in the ledger when it is called, in
// the order of each partition. What cannot be read is passed over and told by the
// error in the end.
func Read(ctx context.Context, cfg ReadConfig, visit func(dropped.Entry)) error {
	client, err := cfg.Brokers.Client("job")
	if err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	defer client.Close()
	r := &reader{cfg: cfg, client: client, admin: kadm.NewClient(client), visit: visit}
	if err := r.span(ctx); err != nil {
		return fmt.Errorf("produce: ledger %q at %q: %w", cfg.Ledger, cfg.Brokers.Seeds, err)
	}
	return r.read(ctx)
}

type reader struct {
	cfg    ReadConfig
	client *kgo.Client
	admin  *kadm.Client
	visit  func(dropped.Entry)

	from, ends map[int32]int64 // by partition; where something is to be read
	unread     int             // entries that could not be read
	trouble    error           // the first of them
}

// askFor is how long the brokers may take to say how far the ledger goes.
const askFor = 10 * time.Second

// span finds out from where to where there is something to read.
func (r *reader) span(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	begin := r.admin.ListStartOffsets
	if !r.cfg.After.IsZero() {
		begin = func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
			return r.admin.ListOffsetsAfterMilli(ctx, r.cfg.After.UnixMilli(), topics...)
		}
	}
	starts, err := begin(ctx, r.cfg.Ledger)
	if err = errors.Join(err, starts.Error()); err != nil {
		return err
	}
	ends, err := r.admin.ListEndOffsets(ctx, r.cfg.Ledger)
	if err = errors.Join(err, ends.Error()); err != nil {
		return err
	}
	r.from, r.ends = make(map[int32]int64), make(map[int32]int64)
	n := len(ends[r.cfg.Ledger])
	for p, end := range ends[r.cfg.Ledger] {
		start, ok := starts.Lookup(r.cfg.Ledger, p)
		if ok && start.Offset < end.Offset && (r.cfg.ID == "" || p == dropped.Partition(r.cfg.ID, n)) {
			r.from[p], r.ends[p] = start.Offset, end.Offset
		}
	}
	return nil
}

func (r *reader) read(ctx context.Context) error {
	offsets := make(map[int32]kgo.Offset, len(r.from))
	for p, from := range r.from {
		offsets[p] = kgo.NewOffset().At(from)
	}
	r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.cfg.Ledger: offsets})
	for len(r.ends) > 0 {
		if err := r.poll(ctx); err != nil {
			return fmt.Errorf("produce: ledger %q: %w", r.cfg.Ledger, err)
		}
	}
	if r.unread > 0 {
		return fmt.Errorf("produce: %d entries of ledger %q are unreadable, the first: %w", r.unread, r.cfg.Ledger, r.trouble)
	}
	return nil
}

// quiet is how long nothing may come before the brokers are asked whether there
// still is something.
const quiet = 2 * time.Second

func (r *reader) poll(ctx context.Context) error {
	some, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	fetches := r.client.PollFetches(some)
	if err := ctx.Err(); err != nil {
		return err
	}
	fetches.EachRecord(r.take)
	if some.Err() != nil { // which is among the errors of fetches
		return r.forget(ctx)
	}
	var failed error
	fetches.EachError(func(_ string, _ int32, err error) { failed = err })
	return failed
}

// forget waits no longer for what has been deleted meanwhile.
func (r *reader) forget(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	starts, err := r.admin.ListStartOffsets(ctx, r.cfg.Ledger)
	if err = errors.Join(err, starts.Error()); err != nil {
		return err
	}
	for p, end := range r.ends {
		if start, ok := starts.Lookup(r.cfg.Ledger, p); ok && start.Offset >= end {
			delete(r.ends, p)
		}
	}
	return nil
}

func (r *reader) take(record *kgo.Record) {
	end, wanted := r.ends[record.Partition]
	if record.Offset+1 >= end {
		delete(r.ends, record.Partition)
	}
	if !wanted || record.Offset >= end {
		return
	}
	e, err := dropped.Decode(record.Value)
	if err != nil {
		if r.unread++; r.trouble == nil {
			r.trouble = err
		}
		return
	}
	r.visit(e)
}
