package suite

import (
	"strconv"
	"strings"

	"github.com/oortim/oort/bench/report"
)

// job is one round to come.
type job struct {
	scenario Scenario
	point    Point
	engine   string
	warmup   bool
	nth      int // repetition, from 1
}

// plan lays out the rounds of all scenarios in the order in which they are run.
func plan(scenarios []Scenario, specs func(Scenario) []string, warmup, repeat int) (jobs []job) {
	for _, s := range scenarios {
		engines := specs(s)
		for i, p := range s.Points() {
			if i == 0 {
				jobs = append(jobs, rounds(s, p, engines, warmup, true)...)
			}
			jobs = append(jobs, rounds(s, p, engines, repeat, false)...)
		}
	}
	return jobs
}

// rounds has each engine once in each repetition, beginning with the next one.
func rounds(s Scenario, p Point, engines []string, repeat int, warmup bool) (jobs []job) {
	for nth := range repeat {
		for i := range engines {
			engine := engines[(i+nth)%len(engines)]
			jobs = append(jobs, job{scenario: s, point: p, engine: engine, warmup: warmup, nth: nth + 1})
		}
	}
	return jobs
}

// file names the round in the name of a file.
func (j job) file() string {
	words := []string{j.scenario.Name(), j.engine}
	for _, s := range j.point.Settings() {
		words = append(words, s.Name+"="+s.Value)
	}
	name := strings.Join(append(words, strconv.Itoa(j.nth)), "-")
	return strings.NewReplacer(" ", "_", "/", "_").Replace(name)
}

// title names the round in a line.
func (j job) title() string {
	c := report.Case{Scenario: j.scenario.Name(), Engine: j.engine, Point: j.point.Settings()}
	return c.Title()
}
