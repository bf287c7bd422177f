package kafka_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/oortim/oort/proto/kafka"
)

// A client without brokers would ask one on this machine.
func TestNoBrokers(t *testing.T) {
	if _, err := kafka.At().Client("test"); err == nil {
		t.Error("a client of no brokers")
	}
	if _, err := kafka.At("here:port").Client("test"); err == nil || !strings.Contains(err.Error(), `"here:port"`) {
		t.Errorf("%v does not name the broker", err)
	}
}

func TestClient(t *testing.T) {
	dialled := make(chan string, 100)
	b := kafka.At("broker.invalid:9092")
	b.Dial = func(_ context.Context, _, addr string) (net.Conn, error) {
		dialled <- addr
		return nil, errors.New("not today")
	}
	client, err := b.Client("test", kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Ping(t.Context()); err == nil || <-dialled != "broker.invalid:9092" {
		t.Errorf("%v: not dialled as was told", err)
	}
	if id := client.OptValue(kgo.ClientID); id != "oort-test" {
		t.Errorf("it calls itself %q", id)
	}
	if age := client.OptValue(kgo.MetadataMinAge); age != 10*time.Millisecond {
		t.Errorf("an option of the caller's lost: %v", age)
	}
}

func TestBackoff(t *testing.T) {
	for fails := -1; fails < 100; fails++ {
		if d := kafka.Backoff(fails); d < 25*time.Millisecond || d >= time.Second || fails > 5 && d < 500*time.Millisecond {
			t.Errorf("%v after %d failures", d, fails)
		}
	}
}
