// Package kafka says how the brokers are reached, which is the same for whoever
// writes to them and reads from them.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// Brokers is how they are reached.
type Brokers struct {
	// Seeds are the brokers to ask first, "host:port". Required.
	Seeds []string
	// Dial reaches them in place of TCP; for TLS it returns a *tls.Conn. Zero
	// means TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// SASL is how to log in. Zero means not.
	SASL sasl.Mechanism
}

// At is brokers that are reached by TCP and want no login.
func At(seeds ...string) Brokers { return Brokers{Seeds: seeds} }

// Client makes a client, named to the brokers after the part of oort that it is
// for; it connects when it is used. Options win over what this package chooses.
func (b Brokers) Client(part string, options ...kgo.Opt) (*kgo.Client, error) {
	if len(b.Seeds) == 0 {
		return nil, errors.New("no brokers given")
	}
	all := []kgo.Opt{
		kgo.ClientID("oort-" + part), kgo.SeedBrokers(b.Seeds...),
		kgo.RetryBackoffFn(Backoff), kgo.MetadataMinAge(250 * time.Millisecond),
	}
	if b.Dial != nil {
		all = append(all, kgo.Dialer(b.Dial))
	}
	if b.SASL != nil {
		all = append(all, kgo.SASL(b.SASL))
	}
	client, err := kgo.NewClient(append(all, options...)...)
	if err != nil {
		return nil, fmt.Errorf("brokers %q: %w", b.Seeds, err)
	}
	return client, nil
}

// Backoff between attempts: 50 ms doubling to a second, a half of it random.
func Backoff(fails int) time.Duration {
	d := min(50*time.Millisecond<<min(max(fails-1, 0), 5), time.Second)
	return d/2 + rand.N(d/2)
}

// Durability is the configuration of a topic that is made with so many replicas.
// Kafka's default lets the leader alone acknowledge a record when the other
// replicas have fallen behind, and with it the record dies; where there are three,
// two must have it. With two that would stop all writing with the first broker
// that stops.
func Durability(replicas int16) map[string]*string {
	config := map[string]*string{}
	if replicas >= 3 {
		two := "2"
		config["min.insync.replicas"] = &two
	}
	return config
}
