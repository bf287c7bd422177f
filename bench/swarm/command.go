package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Command is `oort bench swarm`: links for a server that runs elsewhere, or,
// with --control, for a conductor.
type Command struct {
	Addr      []string      `placeholder:"URL" help:"Where to dial: tcp://IP:PORT, ws://IP:PORT/PATH; several with commas, links take turns."`
	Source    []string      `placeholder:"IP" help:"Local addresses to dial from; several with commas. Default: the kernel's choice, and on loopback as many as the links need."`
	Links     int           `default:"1000" help:"Links to open."`
	Rooms     int           `default:"0" help:"Rooms that links are spread over; 0: none."`
	Room      string        `default:"bench://" help:"What a room's number is appended to."`
	Key       string        `help:"What a link's number is appended to, to make its key. Default: the server makes keys up."`
	Bare      bool          `help:"Send no auth: for echo servers."`
	Rate      float64       `default:"0" help:"Links to begin a second; 0: as fast as --under-way allows."`
	UnderWay  int           `default:"512" help:"Links begun and not finished at a time."`
	Timeout   time.Duration `default:"30s" help:"Of a link, from its connect to its auth reply."`
	Heartbeat time.Duration `default:"4m" help:"Interval of a link's heartbeats; 0: none."`
	Churn     float64       `default:"0" help:"Links to close and dial anew a second."`
	EchoDepth int           `default:"0" help:"Messages of each link under way, each sent when the one before has come back: for echo servers."`
	EchoSize  int           `default:"24" help:"Bytes of such a message's body."`
	Duration  time.Duration `default:"0" help:"How long to hold the links; 0: until interrupted."`
	Loops     int           `default:"0" help:"Loops to begin with; 0: one a CPU. Each holds about as many links as a process may open descriptors."`

	Control bool `hidden:"" help:"Take orders from standard input; see bench/control."`
}

// ErrLost is wrapped by what Run returns when links failed or were lost.
var ErrLost = errors.New("links were lost")

// Validate refuses what cannot run.
func (c *Command) Validate() error {
	if !c.Control && len(c.Addr) == 0 {
		return errors.New("--addr is needed: where to dial")
	}
	return nil
}

// Run opens the links and holds them, telling on out how they do.
func (c *Command) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	s, err := Open(c.Loops)
	if err != nil {
		return err
	}
	defer s.End()
	if c.Control {
		return Serve(ctx, in, out, s)
	}
	return c.hold(ctx, out, s)
}

func (c *Command) hold(ctx context.Context, out io.Writer, s *Swarm) error {
	watch, enough := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tellProgress(watch, out, s)
	}()
	err := c.work(ctx, s)
	enough()
	<-watched
	if err != nil && ctx.Err() == nil { // an interrupt is the usual end
		return err
	}
	final := s.Status()
	if err := tellEnd(out, final, s.Counts()); err != nil {
		return err
	}
	if lost := final.Asked - final.Live - final.Dialling; lost > 0 {
		return fmt.Errorf("swarm: %w: %d of %d", ErrLost, lost, final.Asked)
	}
	return nil
}

// work dials, and keeps the links busy for the duration.
func (c *Command) work(ctx context.Context, s *Swarm) error {
	if err := c.dial(ctx, s); err != nil {
		return err
	}
	if c.EchoDepth > 0 {
		s.Echo(EchoArgs{Run: 1, Depth: c.EchoDepth, Size: c.EchoSize})
	}
	c.beat(s)
	s.Churn(ChurnArgs{Rate: c.Churn})
	if c.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Duration)
		defer cancel()
	}
	<-ctx.Done()
	s.Churn(ChurnArgs{})
	s.Echo(EchoArgs{})
	settle(s)
	return nil
}

// dial opens the links. That may take longer than a server bears silence, so
// those that live beat meanwhile.
func (c *Command) dial(ctx context.Context, s *Swarm) error {
	dialling, done := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		for c.Heartbeat > 0 {
			select {
			case <-dialling.Done():
				return
			case <-time.After(c.Heartbeat / 4):
				c.beat(s)
			}
		}
	})
	_, err := s.Dial(ctx, DialArgs{
		Addrs: c.Addr, Sources: c.Source, Links: c.Links, Rooms: c.Rooms, Room: c.Room, Key: c.Key,
		Bare: c.Bare, Rate: c.Rate, UnderWay: c.UnderWay, Timeout: c.Timeout,
	})
	done()
	beating.Wait()
	return err
}

// beat has the links that live now send a heartbeat each in the interval.
func (c *Command) beat(s *Swarm) {
	if c.Heartbeat > 0 && !c.Bare {
		s.Beat(BeatArgs{Rate: float64(s.Status().Live) / c.Heartbeat.Seconds()})
	}
}

// settleTime is how long links that are under way at the end are waited for.
const settleTime = 5 * time.Second

// settle waits until no link is being dialled and nothing arrives any more, so
// that what is under way is not told as missing.
func settle(s *Swarm) {
	beat := time.NewTicker(20 * time.Millisecond)
	defer beat.Stop()
	last := int64(-1)
	for end := time.Now().Add(settleTime); time.Now().Before(end); <-beat.C {
		st := s.Status()
		if st.Dialling == 0 && st.Received == last {
			return
		}
		last = st.Received
	}
}

// tellProgress writes a line a second.
func tellProgress(ctx context.Context, out io.Writer, s *Swarm) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	received, at := int64(0), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		st, now := s.Status(), time.Now()
		rate := float64(max(0, st.Received-received)) / now.Sub(at).Seconds() // echoes reset it once
		received, at = st.Received, now
		// Nobody reads it if this fails; the links are what counts.
		_, _ = fmt.Fprintf(out, "live %d of %d, dialling %d, messages %.0f/s, %s%s%s\n",
			st.Live, st.Asked, st.Dialling, rate, weight(st), told(", failed", st.Failed), told(", lost", st.Lost))
	}
}

// weight is what the process occupies, and a link's share of it.
func weight(st Status) string {
	total := fmt.Sprintf("%.1f MB resident", float64(st.RSS)/(1<<20))
	if st.Live == 0 {
		return total
	}
	return fmt.Sprintf("%s, %d B a link", total, st.RSS/int64(st.Live))
}

// told is counts by reason, in order; nothing if there are none.
func told(what string, counts map[string]int64) string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%d %s", counts[why], why))
	}
	if words == nil {
		return ""
	}
	return what + " (" + strings.Join(words, ", ") + ")"
}

// tellEnd writes what came of it.
func tellEnd(out io.Writer, st Status, c Counts) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteByte('\n')
	line("links", "%d of %d live, %d tried again%s%s", st.Live, st.Asked, st.Retries, told(", failed", st.Failed), told(", lost", st.Lost))
	if c.Join.Count > 0 { // none since echoes began
		line("join", "p50 %v, p99 %v, max %v", c.Join.P50, c.Join.P99, c.Join.Max)
	}
	line("memory", "%s; %d loops", weight(st), st.Loops)
	if c.Beats > 0 {
		line("heartbeats", "%d sent, %d answered, %d held back; p50 %v, p99 %v, max %v",
			c.Beats, c.BeatReplies, c.BeatsHeld, c.BeatLatency.P50, c.BeatLatency.P99, c.BeatLatency.Max)
	}
	if c.Churned > 0 {
		line("churn", "%d closed and dialled anew", c.Churned)
	}
	if st.Received > c.Messages {
		line("messages", "%d received", st.Received-c.Messages)
	}
	if c.EchoesSent > 0 {
		line("echoes", "%d sent, %d came back, %d passed over, %d doubled, %d wrong; p50 %v, p99 %v, max %v",
			c.EchoesSent, c.Messages, c.Gaps, c.Doubles, c.Wrong, c.Latency.P50, c.Latency.P99, c.Latency.Max)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
