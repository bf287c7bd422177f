// Package pollertest is the conformance suite of package poller: what an
// engine must pass to be one. An engine joins by one line:
//
//	func TestConformance(t *testing.T) { pollertest.Run(t, myengine.Open) }
//
// Each test stands for sentences of the contract. All of them run under a
// referee that checks, for every callback of every test, the rules that hold
// always: callbacks of a loop never overlap and never nest, OnOpen is first,
// OnClose is last and comes once, slots are dense and have one tenant. And each
// ends with no goroutine and no descriptor left.
package pollertest

import (
	"testing"

	"github.com/oortim/oort/poller"
)

// Open is how an engine is opened.
type Open func(poller.Options) (poller.Engine, error)

// Run runs the suite over an engine. Its tests use one process in turn, so t
// must not run beside other tests; some run a second process of the test
// binary, which comes back to the same test.
func Run(t *testing.T, open func(poller.Options) (poller.Engine, error)) {
	for _, group := range [][]test{reading, pausing, writing, closing, tasks, accepting, arriving, stopping, panics, storms, crowds} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) { c.run(t, open) })
		}
	}
}

// test is one test of the suite.
type test struct {
	name string
	run  func(*testing.T, Open)
}
