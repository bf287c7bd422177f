package publish

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/deploy/fault"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/pushpb"
)

// call is one Publish under way.
type call struct {
	k        *Kafka
	caller   context.Context // only for the span that it may name
	pushes   []*pushpb.Push
	deadline time.Time
	ctx      context.Context // ends the records, a little before deadline
	cancel   context.CancelFunc

	mu      sync.Mutex
	results []error       // guarded by mu; errPending until answered
	pending int           // guarded by mu
	done    chan struct{} // closed when pending is 0
}

// errPending stands in results for an answer that is not there yet.
var errPending = fmt.Errorf("%w: no answer before the deadline", ErrUnknown)

func newCall(caller context.Context, k *Kafka, pushes []*pushpb.Push, deadline time.Time) *call {
	c := &call{
		k: k, caller: caller, pushes: pushes, deadline: deadline,
		results: fill(len(pushes), errPending),
		pending: len(pushes),
		done:    make(chan struct{}),
	}
	// The records end early: a quarter of the time, but no more than half a second, is left for
	// franz-go to notice that the rest is over.
	grace := min(time.Until(deadline)/4, 500*time.Millisecond)
	c.ctx, c.cancel = context.WithDeadline(context.Background(), deadline.Add(-grace))
	return c
}

// run submits the pushes and waits for the answers, or for the deadline.
func (c *call) run() []error {
	for i, p := range c.pushes {
		c.submit(i, p)
	}
	if len(c.pushes) == 0 {
		return nil
	}
	timer := time.NewTimer(time.Until(c.deadline))
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A copy: late answers still write to the call's own.
	return append([]error(nil), c.results...)
}

func (c *call) submit(i int, p *pushpb.Push) {
	value, err := proto.Marshal(p)
	switch {
	case err != nil:
		c.answer(i, fmt.Errorf("publish: push %q: %w: %w", p.GetId(), logic.ErrNotStored, err))
		return
	case len(value) > c.k.cfg.MaxRecordBytes:
		c.answer(i, fmt.Errorf("%w: %d bytes, %d allowed", ErrTooLarge, len(value), c.k.cfg.MaxRecordBytes))
		return
	}
	key := pushpb.RecordKey(p)
	to := c.k.of(key)
	if err := c.k.watch.refuses(to.partition, p); err != nil {
		c.answer(i, err)
		return
	}
	if err := c.k.waiting.take(len(value), &c.k.cfg); err != nil {
		c.answer(i, err)
		return
	}
	before := to.wire.produced.Load()
	r := &kgo.Record{Partition: to.partition, Key: []byte(key), Value: value}
	span := c.k.sending(c.caller, p, r)
	to.client.TryProduce(c.ctx, r, func(r *kgo.Record, err error) {
		c.k.waiting.give(len(value))
		err = classify(err, to.wire.produced.Load()-before)
		span.answered(r, err)
		c.answer(i, err)
	})
}

func (c *call) answer(i int, err error) {
	c.mu.Lock()
	c.results[i] = err
	c.pending--
	last := c.pending == 0
	c.mu.Unlock()
	if last {
		close(c.done)
	}
}

// classify says what a record's failure means. writes is how many produce
// requests of the record's partition began to be written since it was submitted.
func classify(err error, writes uint64) error {
	switch {
	case err == nil, fault.On(fault.ProduceOK):
		return nil
	case errors.Is(err, kgo.ErrMaxBuffered):
		return fmt.Errorf("publish: %w", logic.ErrOverloaded)
	case writes == 0, writes == 1 && refused(err):
		return fmt.Errorf("publish: %w: %w", logic.ErrNotStored, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}

// refused reports whether err is a broker's refusal that comes before the log
// is touched. Others can follow the append: NOT_LEADER_OR_FOLLOWER when the
// leader changes while replicas are awaited, REQUEST_TIMED_OUT and
// NOT_ENOUGH_REPLICAS_AFTER_APPEND by their meaning, UNKNOWN_SERVER_ERROR and
// KAFKA_STORAGE_ERROR for all that is known.
func refused(err error) bool {
	for _, e := range []error{
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord,
		kerr.InvalidTopicException, kerr.InvalidRequiredAcks, kerr.PolicyViolation,
		kerr.UnsupportedForMessageFormat, kerr.NotEnoughReplicas,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
