package parts

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/oortim/oort/job/produce"
	"github.com/oortim/oort/proto/dropped"
	"github.com/oortim/oort/proto/kafka"
)

// TestDrops: what each flag leaves of a ledger, and how it is printed.
func TestDrops(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	brokers := cluster.ListenAddrs()
	k, err := produce.Open(t.Context(), produce.Config{Brokers: kafka.At(brokers...), Ledger: "pushes-ledger", Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	at := time.Now()
	if err := k.Enter(t.Context(), []dropped.Entry{
		{ID: "a", Kind: "room", Room: "live://1", Comet: "c1@1", Lane: "chat", Reason: "slow", Accepted: at.Add(-1500 * time.Millisecond), At: at},
		{ID: "b", Kind: "keys", Keys: []string{"k1"}, Comet: "c2@1", Lane: "gift", Reason: "closed", At: at},
		{ID: "c", Kind: "keys", Keys: []string{"k1", "k2"}, Comet: "c1@2", Lane: "gift", Reason: "moved", At: at},
		{ID: "d", Kind: "all", Lane: "system", Reason: "expired", At: at},
	}); err != nil {
		t.Fatal(err)
	}
	run := func(c Drops) string {
		t.Helper()
		c.Kafka, c.Topic, c.LedgerTopic = brokers, "pushes", "on"
		var out bytes.Buffer
		if err := c.Run(t.Context(), slog.New(slog.DiscardHandler), &out); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	for want, c := range map[string]Drops{
		"abcd": {},
		"a":    {Room: "live://1"},
		"bc":   {Key: "k1"},
		"acd":  {Comet: "c1"}, // d was for all
		"cd":   {Comet: "c1@2"},
		"b":    {Reason: "closed", Since: time.Hour},
		"c":    {ID: "c"},
		"":     {ID: "e"},
	} {
		c.Output = "json"
		var ids string
		for line := range strings.Lines(run(c)) {
			e, err := dropped.Decode([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			ids += e.ID
		}
		if ids != want {
			t.Errorf("%+v: got %q, want %q", c, ids, want)
		}
	}
	text := run(Drops{Output: "text"})
	for _, want := range []string{
		"slow     1.5s   c1@1   chat    live://1            a\n", "keys k1 and 1 more", "expired  -      all    system  all",
		"4 drops: closed 1, expired 1, moved 1, slow 1\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, c := range []Drops{
		{LedgerFlags: LedgerFlags{"off"}}, {LedgerFlags: LedgerFlags{"no-such-topic"}},
	} {
		c.Kafka = brokers
		if err := c.Run(t.Context(), slog.New(slog.DiscardHandler), new(bytes.Buffer)); err == nil {
			t.Errorf("--ledger-topic %s: no error", c.LedgerTopic)
		}
	}
}
