package chaos

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/oortim/oort/bench/chaos/history"
)

// What can be done to a part.
const (
	kill    = history.Kill // SIGKILL, and started again
	stop    = history.Stop // SIGTERM, and started again
	pause   = "pause"      // SIGSTOP, SIGCONT
	refuse  = "refuse"     // its connections are reset, new ones too
	silence = "silence"    // nothing gets through, nobody is told
	oneWay  = "one-way"    // what it is asked arrives, its answers do not
	wipe    = history.Wipe // Redis forgets everything
)

// act is one thing to do: at a time, to a part, for how long.
type act struct {
	at   time.Duration
	part string
	what string
	last time.Duration
}

func (a act) String() string { return fmt.Sprintf("%v %s %s for %v", a.at, a.what, a.part, a.last) }

// choice is one kind of act that a plan may draw.
type choice struct {
	parts       []string
	what        string
	weight      int
	least, most time.Duration // how long it lasts
}

// plan draws acts, one about every interval until end, from choices. Nothing is
// done to a part to which something is being done. The same seed draws the same
// plan.
func plan(seed uint64, end, every time.Duration, choices []choice) []act {
	rng := rand.New(rand.NewPCG(seed, 1))
	busy := map[string]time.Duration{}
	var acts []act
	for at := every / 2; at < end; at += every/2 + upTo(rng, every) {
		c := draw(rng, choices)
		part := c.parts[rng.IntN(len(c.parts))]
		last := c.least + upTo(rng, c.most-c.least+1)
		if at < busy[part] || at+last > end {
			continue
		}
		busy[part] = at + last + rest
		acts = append(acts, act{at.Round(time.Millisecond), part, c.what, last.Round(time.Millisecond)})
	}
	return acts
}

// rest is what a part gets to serve again before the next blow.
const rest = 4 * time.Second

func draw(rng *rand.Rand, choices []choice) choice {
	sum := 0
	for _, c := range choices {
		sum += c.weight
	}
	n, i := rng.IntN(sum), 0
	for n >= choices[i].weight {
		n -= choices[i].weight
		i++
	}
	return choices[i]
}

// scenario is what kind of chaos.
type scenario string

// The scenarios.
const (
	mixed     scenario = "mixed"      // everything but what the others have
	processes scenario = "processes"  // kill and pause of job and logic
	wiping    scenario = "wipe"       // mixed, and Redis forgets everything now and then
	kafkaAway scenario = "kafka-away" // mixed, and Kafka is away for a minute
	scaling   scenario = "scale"      // mixed, and jobs go and come: 1, all, 1
)

// acts plans a scenario for a cluster.
func (s scenario) acts(seed uint64, end, every time.Duration, logics, jobs, comets int) []act {
	var logic, job, comet []string
	for i := range logics {
		logic = append(logic, fmt.Sprintf("logic-%d", i+1))
	}
	for i := range jobs {
		job = append(job, fmt.Sprintf("job-%d", i+1))
	}
	for i := range comets {
		comet = append(comet, fmt.Sprintf("comet-%d", i+1))
	}
	kept := []choice{
		{job, kill, 4, time.Second, 12 * time.Second},
		{job, pause, 3, time.Second, 6 * time.Second},
		{logic, kill, 3, time.Second, 4 * time.Second},
		{logic, pause, 2, time.Second, 6 * time.Second},
	}
	if s == processes {
		for i := range kept {
			kept[i].most = 3 * time.Second
		}
		return plan(seed, end, every, kept)
	}
	redis, kafka := []string{"redis"}, []string{"kafka"}
	choices := append(kept,
		choice{job, stop, 2, time.Second, 4 * time.Second},
		choice{logic, stop, 1, time.Second, 4 * time.Second},
		choice{comet, kill, 2, time.Second, 4 * time.Second},
		choice{comet, pause, 3, time.Second, 8 * time.Second},
		choice{comet, refuse, 2, time.Second, 8 * time.Second},
		choice{comet, silence, 2, time.Second, 8 * time.Second},
		choice{comet, oneWay, 2, time.Second, 8 * time.Second},
		choice{redis, kill, 1, time.Second, 3 * time.Second},
		choice{redis, pause, 1, time.Second, 6 * time.Second},
		choice{redis, refuse, 1, time.Second, 6 * time.Second},
		choice{redis, oneWay, 1, time.Second, 6 * time.Second},
		choice{kafka, kill, 1, time.Second, 4 * time.Second},
		choice{kafka, pause, 1, time.Second, 8 * time.Second},
		choice{kafka, refuse, 2, time.Second, 6 * time.Second},
		choice{kafka, silence, 1, time.Second, 6 * time.Second},
		choice{kafka, oneWay, 2, time.Second, 6 * time.Second},
	)
	var fixed []act
	switch s {
	case wiping:
		choices = append(choices, choice{redis, wipe, 4, 0, 0})
	case kafkaAway:
		choices = slices.DeleteFunc(choices, func(c choice) bool { return c.parts[0] == "kafka" })
		fixed = []act{{end / 4, "kafka", kill, min(time.Minute, end/2)}}
	case scaling:
		choices = slices.DeleteFunc(choices, func(c choice) bool { return c.parts[0] == "job-1" })
		for _, name := range job[min(1, len(job)):] {
			fixed = append(fixed, act{0, name, stop, end / 3}, act{end * 2 / 3, name, stop, end/3 - every})
		}
	}
	acts := append(fixed, plan(seed, end, every, choices)...)
	slices.SortStableFunc(acts, func(a, b act) int { return cmp.Compare(a.at, b.at) })
	return acts
}

// upTo draws a time below d.
func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }
