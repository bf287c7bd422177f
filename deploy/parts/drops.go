package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/job/produce"
	"github.com/oortim/oort/proto/dropped"
)

// LedgerFlags name the ledger of drops.
type LedgerFlags struct {
	LedgerTopic string `default:"on" placeholder:"NAME" help:"Ledger: a topic with an entry for each push that a job dropped, there before the push counts as done. A job makes it if it is absent, with 2 partitions that keep a week. on: the name of the pushes' topic with -ledger behind it; off: drops are counted only."`
}

// ledger is the topic, beside that of the pushes; "" if there is none.
func (f *LedgerFlags) ledger(pushes string) string {
	switch f.LedgerTopic {
	case "on":
		return dropped.Topic(pushes)
	case "off":
		return ""
	}
	return f.LedgerTopic
}

// Drops is `oort drops`.
type Drops struct {
	KafkaFlags
	LedgerFlags
	ID     string        `name:"id" placeholder:"ID" help:"Only what concerns the message with this id."`
	Room   string        `placeholder:"TYPE://ID" help:"Only pushes to this room."`
	Key    string        `placeholder:"KEY" help:"Only pushes to this key that it did not get."`
	Comet  string        `placeholder:"NAME" help:"Only drops for this comet, or for all."`
	Reason string        `placeholder:"WORD" help:"Only drops for this reason: slow, expired, closed, unknown, invalid or moved."`
	Since  time.Duration `default:"1h" help:"How far to look back; 0: as far as the ledger goes."`
	Output string        `enum:"text,json" default:"text" help:"text: a table and the sums; json: an entry a line."`
}

// Examples are shown by --help.
func (*Drops) Examples() string {
	return `
oort drops --kafka 127.0.0.1:9092 --since 10m
oort drops --id 01JD3T4G5S6V7W8X9Y0Z1A2B3C          # where is my message?
oort drops --comet c1 --reason slow --since 24h
oort drops --since 0 --output json | jq -r .reason | sort | uniq -c`
}

// Run prints what the ledger has, the oldest first in each partition.
func (c *Drops) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	brokers, err := c.reached(telling{log: log})
	if err != nil {
		return err
	}
	topic := c.ledger(c.Topic)
	if topic == "" {
		return ops.Usagef("--ledger-topic off: there is nothing to read")
	}
	var after time.Time
	if c.Since > 0 {
		after = time.Now().Add(-c.Since)
	}
	print := c.printer(out)
	err = produce.Read(ctx, produce.ReadConfig{
		Brokers: brokers, Ledger: topic, ID: c.ID, After: after,
	}, func(e dropped.Entry) {
		if c.wants(&e) {
			print.entry(&e)
		}
	})
	return errors.Join(err, print.end())
}

func (c *Drops) wants(e *dropped.Entry) bool {
	name, _, _ := strings.Cut(e.Comet, "@")
	return (c.ID == "" || e.ID == c.ID) &&
		(c.Room == "" || e.Room == c.Room) &&
		(c.Key == "" || slices.Contains(e.Keys, c.Key)) &&
		(c.Comet == "" || e.Comet == "" || name == c.Comet || e.Comet == c.Comet) &&
		(c.Reason == "" || e.Reason == c.Reason)
}

// dropsPrinter prints entries as they come.
type dropsPrinter struct {
	json   bool
	out    io.Writer
	table  *tabwriter.Writer
	sums   map[string]int // by reason
	failed error
}

func (c *Drops) printer(out io.Writer) *dropsPrinter {
	p := &dropsPrinter{json: c.Output == "json", out: out, sums: make(map[string]int)}
	p.table = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if !p.json {
		fmt.Fprintln(p.table, "DROPPED\tREASON\tAFTER\tCOMET\tLANE\tTO\tMESSAGE")
	}
	return p
}

func (p *dropsPrinter) entry(e *dropped.Entry) {
	p.sums[e.Reason]++
	if p.json {
		line, err := e.Encode()
		if err == nil {
			_, err = fmt.Fprintf(p.out, "%s\n", line)
		}
		p.failed = errors.Join(p.failed, err)
		return
	}
	after, comet := "-", e.Comet
	if !e.Accepted.IsZero() {
		after = e.At.Sub(e.Accepted).Round(time.Millisecond).String()
	}
	if comet == "" {
		comet = "all"
	}
	fmt.Fprintf(p.table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
		e.At.Format(time.RFC3339), e.Reason, after, comet, e.Lane, target(e), e.ID)
}

// target is whom a push was for, in few words.
func target(e *dropped.Entry) string {
	switch {
	case e.Room != "":
		return e.Room
	case len(e.Keys) == 1:
		return e.Kind + " " + e.Keys[0]
	case len(e.Keys) > 1:
		return fmt.Sprintf("%s %s and %d more", e.Kind, e.Keys[0], len(e.Keys)-1)
	}
	return e.Kind
}

func (p *dropsPrinter) end() error {
	if p.json {
		return p.failed
	}
	err := p.table.Flush()
	total := 0
	var words []string
	for reason, n := range p.sums {
		total += n
		words = append(words, fmt.Sprintf("%s %d", reason, n))
	}
	slices.Sort(words)
	fmt.Fprintf(p.out, "%d drops", total)
	if total > 0 {
		fmt.Fprintf(p.out, ": %s", strings.Join(words, ", "))
	}
	fmt.Fprintln(p.out)
	return err
}
