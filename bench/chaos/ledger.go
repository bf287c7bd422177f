package chaos

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"regexp"
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
}

// look is the counters of a part at a time.
type look struct {
	at     time.Duration
	counts map[string]int
}

// counters matches those of drops.
var counters = regexp.MustCompile(`^oort_comet_messages_total\{outcome="(\w+)"\} ([0-9.e+]+)$`)

// explains reports whether links that are there can miss what was counted.
func explains(outcome string) bool {
	return outcome != "delivered" && outcome != "closed" && outcome != "left"
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

// look reads a part's counters now; one that does not answer is left out.
func (b *books) look(p *fleet.Part) {
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
	}
}

func readCounts(r io.Reader) (map[string]int, error) {
	counts := map[string]int{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m := counters.FindStringSubmatch(lines.Text())
		if m == nil || !explains(m[1]) {
			continue
		}
		n, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		counts[m[1]] = int(n)
	}
	return counts, lines.Err()
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
