package suite

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/bench/report"
)

// progress tells whoever waits what runs, how much is done and how long it may
// take: one line that changes on a terminal, a line a round elsewhere.
type progress struct {
	out   io.Writer
	live  bool       // out is a terminal
	width func() int // of the terminal, in letters

	mu       sync.Mutex // guards what follows, and out
	started  time.Time
	total    int
	at       int // number of the round, from 1
	finished int
	title    string
	doing    string
	since    time.Time // of the round
	stop     chan struct{}
	stopped  sync.WaitGroup
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if f, ok := out.(*os.File); ok {
		_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
		p.live, p.width = err == nil, func() int { return widthOf(f) }
	}
	return p
}

// widthOf is how wide the terminal is now; one that does not say is 80.
func widthOf(f *os.File) int {
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		return int(size.Col)
	}
	return 80
}

// begin starts the clock.
func (p *progress) begin(total int) {
	p.started, p.total, p.stop = time.Now(), total, make(chan struct{})
	if !p.live {
		return
	}
	p.stopped.Go(func() {
		beat := time.NewTicker(time.Second)
		defer beat.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-beat.C:
				p.mu.Lock()
				p.drawLocked()
				p.mu.Unlock()
			}
		}
	})
}

func (p *progress) end() {
	close(p.stop)
	p.stopped.Wait()
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// round says which round begins.
func (p *progress) round(j job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kind := "round " + strconv.Itoa(j.nth)
	if j.warmup {
		kind = "warm-up"
	}
	p.at = p.finished + 1
	p.title, p.doing, p.since = j.title()+", "+kind, "starting", time.Now()
	p.drawLocked()
}

// phase says what the round does now.
func (p *progress) phase(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = text
	p.drawLocked()
}

// tell writes a line that stays.
func (p *progress) tell(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	fmt.Fprintln(p.out, text)
	p.drawLocked()
}

// done says what came of the round.
func (p *progress) done(c *report.Case, faults int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finished++
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	fmt.Fprintf(p.out, "%s: %s in %s; %s\n", p.headLocked(), headline(c, faults), brief(time.Since(p.since)), p.timesLocked())
}

// headline is the figure that the scenario is about, or that it went wrong.
func headline(c *report.Case, faults int) string {
	if faults > 0 {
		return "FAULT: " + c.Faults[len(c.Faults)-faults]
	}
	if len(c.Metrics) == 0 || len(c.Metrics[0].Samples) == 0 {
		return "nothing"
	}
	m := c.Metrics[0]
	return fmt.Sprintf("%s %.4g %s", m.Name, m.Samples[len(m.Samples)-1], m.Unit)
}

func (p *progress) drawLocked() {
	if p.live {
		line := fmt.Sprintf("%s: %s; %s", p.headLocked(), p.doing, p.timesLocked())
		fmt.Fprint(p.out, "\r\x1b[K"+cut(line, p.width()))
	}
}

// cut is the beginning of a line, so that it does not wrap and can be wiped.
func cut(line string, width int) string {
	if letters := []rune(line); len(letters) >= width {
		return string(letters[:max(width-2, 0)]) + "…"
	}
	return line
}

func (p *progress) headLocked() string {
	return fmt.Sprintf("[%d/%d] %s", p.at, p.total, p.title)
}

// timesLocked is the time gone, and a guess of what is left by the rounds so
// far.
func (p *progress) timesLocked() string {
	gone := time.Since(p.started)
	s := brief(gone) + " gone"
	if p.finished > 0 && p.finished < p.total {
		s += ", about " + brief(gone/time.Duration(p.finished)*time.Duration(p.total-p.finished)) + " left"
	}
	return s
}

func brief(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
