package publish

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

// once judges the first request v, and passes the others.
func once(v verdict) func() verdict {
	var n atomic.Int32
	return func() verdict {
		if n.Add(1) == 1 {
			return v
		}
		return pass
	}
}

func always(v verdict) func() verdict { return func() verdict { return v } }

// TestStoredOnceWhateverIsLost: what breaks before or after the broker stored a
// push is repaired within the deadline, and the push is stored once.
func TestStoredOnceWhateverIsLost(t *testing.T) {
	for name, f := range map[string]*faulty{
		"request lost":            {judge: once(cutAsk)},
		"reply lost":              {judge: once(cutTell)},
		"stored, says timed out":  {judge: once(lie), code: kerr.RequestTimedOut.Code},
		"stored, says not leader": {judge: once(lie), code: kerr.NotLeaderForPartition.Code},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBroker(t, broker.Config{})
			k := openFaulty(t, Config{Brokers: kafka.At(b.Addr())}, f)
			mustStore(t, k, room("1", "test://1"))
			mustStore(t, k, room("2", "test://1"))
			if ids := fmt.Sprint(merge(stored(t, b.Addr(), "oort-push"))); ids != "[1 2]" {
				t.Errorf("stored %v, want [1 2]", ids)
			}
		})
	}
}

// TestUnknown: the broker stored the push and never says so. The answer comes by
// the deadline and does not claim to know; and the next push is not taken for a
// copy of the one before, acknowledged and lost (franz-go issue 1217).
func TestUnknown(t *testing.T) {
	for name, f := range map[string]*faulty{
		"silence":                {judge: always(swallow)},
		"connections break":      {judge: always(cutTell)},
		"says timed out":         {judge: always(lie), code: kerr.RequestTimedOut.Code},
		"says too few replicas":  {judge: always(lie), code: kerr.NotEnoughReplicasAfterAppend.Code},
		"says storage is broken": {judge: always(lie), code: kerr.KafkaStorageError.Code},
		"says unknown error":     {judge: always(lie), code: kerr.UnknownServerError.Code},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of them wait
			b := startBroker(t, broker.Config{})
			var heal atomic.Bool
			fault := f.judge
			f.judge = func() verdict {
				if heal.Load() {
					return pass
				}
				return fault()
			}
			k := openFaulty(t, Config{Brokers: kafka.At(b.Addr())}, f)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // in which the request is sent, whatever else runs
			defer cancel()
			start := time.Now()
			err := k.Publish(ctx, []*pushpb.Push{room("1", "test://1")})[0]
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("answer took %v", took)
			}
			if !errors.Is(err, ErrUnknown) || errors.Is(err, logic.ErrNotStored) {
				t.Errorf("answer %v, want ErrUnknown", err)
			}
			heal.Store(true)
			// Until franz-go has noticed that the first record's time is over, a
			// second of that partition would end with it, surely not stored.
			settled(t, k)
			mustStore(t, k, room("2", "test://1"))
			ids := merge(stored(t, b.Addr(), "oort-push"))
			if got := fmt.Sprint(ids); got != "[1 2]" {
				t.Errorf("stored %v, want [1 2]", got)
			}
		})
	}
}

// TestRefused: a broker that says no before it looks at its log is believed.
func TestRefused(t *testing.T) {
	cluster := kfake.MustCluster(kfake.NumBrokers(1))
	t.Cleanup(cluster.Close)
	k := open(t, Config{Brokers: kafka.At(cluster.ListenAddrs()...), Timeout: 2 * time.Second})
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r := req.(*kmsg.ProduceRequest)
		resp := r.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range r.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
				answer.Partitions = append(answer.Partitions, part)
			}
			resp.Topics = append(resp.Topics, answer)
		}
		return resp, nil, true
	})
	err := k.Publish(t.Context(), []*pushpb.Push{room("1", "test://1")})[0]
	if !errors.Is(err, logic.ErrNotStored) || !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("answer %v, want ErrNotStored with the broker's reason", err)
	}
}

// TestCallerGoesAway: the pusher hangs up; its push, and those of others in the
// same partition, are stored all the same.
func TestCallerGoesAway(t *testing.T) {
	b := startBroker(t, broker.Config{})
	arrived := make(chan struct{})
	f := &faulty{}
	var n atomic.Int32
	f.judge = func() verdict {
		if n.Add(1) == 1 {
			close(arrived)
			return cutTell // the retry comes after the caller has gone
		}
		return pass
	}
	k := openFaulty(t, Config{Brokers: kafka.At(b.Addr())}, f)
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		<-arrived
		hangUp()
	}()
	if err := k.Publish(ctx, []*pushpb.Push{room("1", "test://1")})[0]; err != nil {
		t.Errorf("push of a caller that left: %v", err)
	}
	if err := k.Publish(ctx, []*pushpb.Push{room("2", "test://1")})[0]; err != nil {
		t.Errorf("push of a caller that had left: %v", err)
	}
	if ids := fmt.Sprint(merge(stored(t, b.Addr(), "oort-push"))); ids != "[1 2]" {
		t.Errorf("stored %v, want [1 2]", ids)
	}
}

// TestNoTimeLeft: a deadline that has passed is obeyed before anything is sent.
func TestNoTimeLeft(t *testing.T) {
	b := startBroker(t, broker.Config{})
	k := open(t, Config{Brokers: kafka.At(b.Addr())})
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := k.Publish(ctx, []*pushpb.Push{room("1", "test://1")})[0]; !errors.Is(err, logic.ErrNotStored) {
		t.Errorf("answer %v, want ErrNotStored", err)
	}
	if ids := merge(stored(t, b.Addr(), "oort-push")); len(ids) != 0 {
		t.Errorf("stored %v", ids)
	}
}

// TestOverload: above the mark the answer comes at once, not at the deadline.
func TestOverload(t *testing.T) {
	for name, cfg := range map[string]Config{
		"records": {MaxRecords: 3},
		"bytes":   {MaxBytes: 3000},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBroker(t, broker.Config{})
			arrived := make(chan struct{}, 100)
			f := &faulty{judge: func() verdict { arrived <- struct{}{}; return swallow }}
			cfg.Brokers, cfg.Timeout = kafka.At(b.Addr()), 2*time.Second
			k := openFaulty(t, cfg, f)
			var wg sync.WaitGroup
			defer wg.Wait()
			big := func(id string) *pushpb.Push { return room(id, "test://1"+strings.Repeat("x", 800)) }
			wg.Go(func() {
				k.Publish(t.Context(), []*pushpb.Push{big("1"), big("2"), big("3")})
			})
			<-arrived
			for k.waiting.records.Load() < 3 { // the call has submitted all of its records
				runtime.Gosched()
			}
			start := time.Now()
			for i, err := range k.Publish(t.Context(), []*pushpb.Push{big("4"), big("5"), big("6")}) {
				if !errors.Is(err, logic.ErrOverloaded) || !errors.Is(err, logic.ErrNotStored) {
					t.Errorf("push %d: answer %v, want ErrOverloaded", i, err)
				}
			}
			if took := time.Since(start); took > cfg.Timeout/2 {
				t.Errorf("answered after %v, want at once", took)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	b := startBroker(t, broker.Config{})
	k := open(t, Config{Brokers: kafka.At(b.Addr()), MaxRecordBytes: 1000})
	for _, c := range []struct {
		body int
		want error
	}{{900, nil}, {1000, ErrTooLarge}} {
		p := &pushpb.Push{Id: "1", Kind: pushpb.Kind_KIND_ALL, Body: make([]byte, c.body)}
		if err := k.Publish(t.Context(), []*pushpb.Push{p})[0]; !errors.Is(err, c.want) {
			t.Errorf("body of %d bytes: %v, want %v", c.body, err, c.want)
		}
	}
}

// TestLargestRecordFits: what MaxRecordBytes allows, the client and a broker's
// default limits allow, too.
func TestLargestRecordFits(t *testing.T) {
	b := startBroker(t, broker.Config{})
	k := open(t, Config{Brokers: kafka.At(b.Addr())})
	p := &pushpb.Push{Id: "1", Kind: pushpb.Kind_KIND_ALL, Body: make([]byte, k.cfg.MaxRecordBytes-32)}
	if err := k.Publish(t.Context(), []*pushpb.Push{p})[0]; err != nil {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	b := startBroker(t, broker.Config{})
	arrived := make(chan struct{}, 100)
	k := openFaulty(t, Config{Brokers: kafka.At(b.Addr()), Timeout: patience}, &faulty{judge: func() verdict {
		arrived <- struct{}{}
		return swallow
	}})
	answer := make(chan error, 1)
	go func() { answer <- k.Publish(context.Background(), []*pushpb.Push{room("1", "test://1")})[0] }()
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := k.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close with a push under way: %v", err)
	}
	if err := <-answer; !errors.Is(err, ErrUnknown) {
		t.Errorf("the push under way: %v, want ErrUnknown", err)
	}
	if err := k.Publish(t.Context(), []*pushpb.Push{room("2", "test://1")})[0]; !errors.Is(err, ErrClosed) {
		t.Errorf("a push after close: %v, want ErrClosed", err)
	}
}

// TestOrderUnderFaults is the promise of this package: pushers push one after
// another, each to its own room, while requests and replies are lost and brokers
// lie. Then the log holds each acknowledged push once, in its pusher's order,
// and none that was called surely not stored; none is there twice.
func TestOrderUnderFaults(t *testing.T) {
	b := startBroker(t, broker.Config{Partitions: 3})
	f := &faulty{code: kerr.RequestTimedOut.Code, judge: weather()}
	k := openFaulty(t, Config{Brokers: kafka.At(b.Addr()), Partitions: 3, Timeout: 300 * time.Millisecond}, f)

	const pushers, calls = 8, 20
	outcomes := make([]map[string]error, pushers)
	var wg sync.WaitGroup
	for p := range pushers {
		outcomes[p] = make(map[string]error)
		wg.Go(func() {
			for c := range calls {
				var pushes []*pushpb.Push
				for i := range 3 {
					pushes = append(pushes, room(fmt.Sprintf("%d/%03d/%d", p, c, i), fmt.Sprintf("test://%d", p)))
				}
				for i, err := range k.Publish(t.Context(), pushes) {
					outcomes[p][pushes[i].Id] = err
				}
			}
		})
	}
	wg.Wait()
	checkLog(t, merge(stored(t, b.Addr(), "oort-push")), outcomes)
}

// weather judges at random, and now and then lets one fault last for longer than
// a push may take.
func weather() func() verdict {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(rand.Uint64(), 2))
	var storm verdict
	var until time.Time
	return func() verdict {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().Before(until) {
			return storm
		}
		switch n := rng.IntN(100); {
		case n < 70:
			return pass
		case n < 85:
			storm, until = verdict(1+rng.IntN(4)), time.Now().Add(400*time.Millisecond)
			return storm
		default:
			return verdict(1 + rng.IntN(4))
		}
	}
}

func checkLog(t *testing.T, log []string, outcomes []map[string]error) {
	t.Helper()
	places := make(map[string]int)
	last := make(map[string]string) // by pusher, the last acknowledged
	for i, id := range log {
		if at, twice := places[id]; twice {
			t.Errorf("push %q is stored at %d and at %d", id, at, i)
		}
		places[id] = i
		pusher, _, _ := strings.Cut(id, "/")
		var n int
		fmt.Sscan(pusher, &n) //nolint:errcheck // ours
		if outcomes[n][id] != nil {
			continue
		}
		if id < last[pusher] {
			t.Errorf("push %q is stored after %q", id, last[pusher])
		}
		last[pusher] = id
	}
	counts := make(map[string]int)
	for _, pushes := range outcomes {
		for id, err := range pushes {
			counts[result(err)]++
			_, there := places[id]
			switch {
			case err == nil && !there:
				t.Errorf("push %q was acknowledged and is lost", id)
			case errors.Is(err, logic.ErrNotStored) && there:
				t.Errorf("push %q was called not stored and is there: %v", id, err)
			}
		}
	}
	t.Log("answers:", counts)
	if counts["stored"] == 0 || counts["unknown"]+counts["not_stored"] == 0 {
		t.Errorf("answers %v show nothing", counts)
	}
}
