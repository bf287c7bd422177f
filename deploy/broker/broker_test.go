package broker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/oortim/oort/deploy/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, cfg broker.Config) *broker.Broker {
	t.Helper()
	b, err := broker.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func client(t testing.TB, b *broker.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addr()), kgo.Dialer(b.Dial), kgo.DefaultProduceTopic("t"), kgo.ProducerLinger(0))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestListen(t *testing.T) {
	for addr, want := range map[string]error{
		"":               nil,
		"127.0.0.1:0":    nil,
		"127.0.0.2:0":    nil,
		"0.0.0.0:0":      broker.ErrUnspecified,
		"[::]:0":         broker.ErrUnspecified,
		":0":             broker.ErrUnspecified,
		"127.0.0.1":      errAny,
		"127.0.0.1:port": errAny,
	} {
		b, err := broker.Open(broker.Config{Listen: addr})
		if b != nil {
			b.Close()
		}
		if errors.Is(want, errAny) && err != nil {
			continue
		}
		if !errors.Is(err, want) {
			t.Errorf("listen on %q: %v, want %v", addr, err, want)
		}
	}
}

var errAny = errors.New("any error")

func TestPortInUse(t *testing.T) {
	b := open(t, broker.Config{})
	if _, err := broker.Open(broker.Config{Listen: b.Addr(), DataDir: t.TempDir()}); err == nil {
		t.Error("two brokers on one port")
	}
}

// TestPrivate: two private brokers stand side by side, no port leads to them,
// and each keeps what it was given.
func TestPrivate(t *testing.T) {
	for _, word := range []string{"one", "two"} {
		b := open(t, broker.Config{Private: true})
		if c, err := net.DialTimeout("tcp", b.Addr(), time.Second); err == nil {
			c.Close()
			t.Errorf("a port leads to the private broker at %s", b.Addr())
		}
		c := client(t, b, kgo.ConsumeTopics("t"))
		if _, err := kadm.NewClient(c).CreateTopic(t.Context(), 1, 1, nil, "t"); err != nil {
			t.Fatal(err)
		}
		if err := c.ProduceSync(t.Context(), kgo.StringRecord(word)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		fetches := c.PollFetches(t.Context())
		if got := fetches.Records(); len(got) != 1 || string(got[0].Value) != word {
			t.Errorf("got %v, want %q", got, word)
		}
	}
}

// TestDataDir: records, topic ids and group offsets survive; the directory is one
// broker's at a time.
func TestDataDir(t *testing.T) {
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprint("sync ", sync), func(t *testing.T) {
			cfg := broker.Config{DataDir: t.TempDir() + "/new", SyncWrites: sync, Partitions: 3}
			b := open(t, cfg)
			if _, err := broker.Open(cfg); !errors.Is(err, broker.ErrInUse) {
				t.Errorf("a second broker on the directory: %v, want ErrInUse", err)
			}
			c := client(t, b)
			admin := kadm.NewClient(c)
			made, err := admin.CreateTopic(t.Context(), -1, -1, nil, "t")
			if err != nil {
				t.Fatal(err)
			}
			if made.NumPartitions != 3 {
				t.Errorf("%d partitions, want 3", made.NumPartitions)
			}
			if err := c.ProduceSync(t.Context(), kgo.StringRecord("a"), kgo.StringRecord("b")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			var offsets kadm.Offsets
			offsets.Add(kadm.Offset{Topic: "t", Partition: 1, At: 1, LeaderEpoch: -1})
			if err := admin.CommitAllOffsets(t.Context(), "g", offsets); err != nil {
				t.Fatal(err)
			}
			c.Close()
			b.Close()

			b = open(t, cfg)
			c = client(t, b, kgo.ConsumeTopics("t"))
			admin = kadm.NewClient(c)
			topics, err := admin.ListTopics(t.Context(), "t")
			if err != nil || topics["t"].ID != made.ID {
				t.Errorf("topic id %v, want %v (%v)", topics["t"].ID, made.ID, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			got := 0
			for got < 2 {
				f := c.PollFetches(ctx)
				if err := f.Err(); err != nil {
					t.Fatal(err)
				}
				got += f.NumRecords()
			}
			committed, err := admin.FetchOffsets(ctx, "g")
			if err != nil {
				t.Fatal(err)
			}
			if o, ok := committed.Lookup("t", 1); !ok || o.At != 1 {
				t.Errorf("group offset %v (%v), want 1", o.At, ok)
			}
		})
	}
}

// TestRetention: what is older than it goes.
func TestRetention(t *testing.T) {
	b := open(t, broker.Config{Retention: time.Second})
	c := client(t, b)
	admin := kadm.NewClient(c)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	if err := c.ProduceSync(t.Context(), kgo.StringRecord("a")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		starts, err := admin.ListStartOffsets(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		if o, ok := starts.Lookup("t", 0); ok && o.Offset == 1 {
			return
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal("the record stays")
		}
	}
}
