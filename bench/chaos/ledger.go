package chaos

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/oortim/oort/bench/chaos/fleet"
	"github.com/oortim/oort/bench/chaos/history"
)

// books reads what comets count as dropped, every second and before one is
// killed; what one counts between the last look and an end that nobody
// planned is not known.
type books struct {
	clock func() time.Duration

	mu      sync.Mutex
	looks   map[string]look   // guarded by mu; by part
	entries []history.Dropped // guarded by mu
	strange bool              // guarded by mu; a page had none of the counters
}

// errNoCounters: a comet's page has another shape than we read, and a judge who
// sees nothing on it would call missing what the comet has counted.
var errNoCounters = errors.New("chaos: no counters of messages on the comets' pages")

// look is the counters of a part at a time.
type look struct {
	at     time.Duration
	counts map[string]int
}

// counters matches those of messages, of which each lane has its own.
var counters = regexp.MustCompile(`^oort_comet_messages_total\{(?:[^}]*,)?outcome="(\w+)"[^}]*\} ([0-9.e+]+)$`)

// explains reports whether links that are there can miss what was counted. Our
// pushers neither cancel nor collapse anything.
func explains(outcome string) bool {
	return slices.Contains([]string{"slow", "full", "shed", "expired"}, outcome)
}

func newBooks(clock func() time.Duration) *books {
	return &books{clock: clock, looks: map[string]look{}}
}

// run looks at the comets every second until ctx is over.
func (b *books) run(ctx context.Context, parts []*fleet.Part) {
	var wg sync.WaitGroup
	for _, p := range parts {
		if p.Kind != fleet.Comet {
			continue
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				b.look(p)
				sleep(ctx, time.Second)
			}
		})
	}
	wg.Wait()
}

// look reads a comet's counters now; one that does not answer is left out.
func (b *books) look(p *fleet.Part) {
	if p.Kind != fleet.Comet {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Admin+"/metrics", nil)
	if err != nil {
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	counts, err := readCounts(resp.Body)
	if err == nil {
		b.book(p.Name, counts)
	} else if errors.Is(err, errNoCounters) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.strange = true
	}
}

// faults are what a judge must know of these books. A comet that has just begun
// has no counters yet; that none had any, ever, is strange.
func (b *books) faults() (all []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.strange && len(b.looks) == 0 {
		all = append(all, errNoCounters)
	}
	return all
}

func readCounts(r io.Reader) (map[string]int, error) {
	counts, any := map[string]int{}, false
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m := counters.FindStringSubmatch(lines.Text())
		if any = any || m != nil; m == nil || !explains(m[1]) {
			continue
		}
		n, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		counts[m[1]] += int(n)
	}
	if err := lines.Err(); err != nil || any {
		return counts, err
	}
	return nil, errNoCounters
}

// book enters what was counted since the last look. Counters that went back are
// those of a process that was started anew.
func (b *books) book(part string, counts map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, before := b.clock(), b.looks[part]
	for reason, n := range counts {
		more := n - before.counts[reason]
		if more < 0 {
			more = n
		}
		if more > 0 {
			b.entries = append(b.entries, history.Dropped{Part: part, Reason: reason, Count: more, From: before.at, To: now})
		}
	}
	b.looks[part] = look{now, counts}
}
