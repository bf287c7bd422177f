package directed

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/proto/pushpb"
)

// bare is goim's way of a push and nothing else of goim: look up in Redis which
// server has the key, and produce one record.
type bare struct {
	redis rueidis.Client
	kafka *kgo.Client
	keys  []string
	size  int
}

const (
	bareTopic      = "bench-directed"
	barePartitions = 8 // as many as oort's topic has
	bareServer     = "comet-1@64d5b2f2a1c00"
)

// openBare connects, makes a topic, and has Redis know the keys, each as one
// string of about the length of a session of oort's.
func openBare(ctx context.Context, redis, kafka string, keys []string, size int) (b *bare, err error) {
	b = &bare{keys: keys, size: size}
	b.redis, err = rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis}, DisableCache: true})
	if err != nil {
		return nil, fmt.Errorf("bench: redis: %w", err)
	}
	// What logic's producers have: all replicas, idempotent, no linger.
	b.kafka, err = kgo.NewClient(kgo.SeedBrokers(kafka), kgo.DefaultProduceTopic(bareTopic),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		b.redis.Close()
		return nil, fmt.Errorf("bench: kafka: %w", err)
	}
	if err := b.fill(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bare) fill(ctx context.Context) error {
	if _, err := kadm.NewClient(b.kafka).CreateTopic(ctx, barePartitions, 1, nil, bareTopic); err != nil {
		return fmt.Errorf("bench: kafka: %w", err)
	}
	commands := make(rueidis.Commands, len(b.keys))
	for i, key := range b.keys {
		commands[i] = b.redis.B().Set().Key(bareKey(key)).Value("1700000000000000 1 1 " + bareServer + " pbench").Build()
	}
	for _, reply := range b.redis.DoMulti(ctx, commands...) {
		if err := reply.Error(); err != nil {
			return fmt.Errorf("bench: redis: %w", err)
		}
	}
	return nil
}

func bareKey(key string) string { return "bench-directed:" + key }

func (b *bare) close() {
	b.kafka.Close()
	b.redis.Close()
}

// run has callers push until end, and returns how many pushes were stored.
func (b *bare) run(ctx context.Context, callers int, end time.Time) (int64, error) {
	var stored atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, callers)
	for i := range callers {
		wg.Go(func() {
			for n := i; time.Now().Before(end); n += callers {
				if err := b.push(ctx, b.keys[n%len(b.keys)]); err != nil {
					errs <- err
					return
				}
				stored.Add(1)
			}
		})
	}
	wg.Wait()
	close(errs)
	return stored.Load(), <-errs
}

func (b *bare) push(ctx context.Context, key string) error {
	session, err := b.redis.Do(ctx, b.redis.B().Get().Key(bareKey(key)).Build()).ToString()
	if err != nil {
		return fmt.Errorf("bench: redis: %w", err)
	}
	if session == "" {
		return fmt.Errorf("bench: redis: no session of %q", key)
	}
	value, err := proto.Marshal(&pushpb.Push{
		Id: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Kind: pushpb.Kind_KIND_KEYS, Server: bareServer, Keys: []string{key},
		Op: 1000, Body: make([]byte, b.size), AcceptedUs: time.Now().UnixMicro(), ExpiresUs: time.Now().UnixMicro(),
	})
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	record := &kgo.Record{Key: []byte(key), Value: value} // goim's record key is the push's first key
	if err := b.kafka.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("bench: kafka: %w", err)
	}
	return nil
}
