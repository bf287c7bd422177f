//go:build linux

package netpoll

import (
	"testing"

	"github.com/oortim/oort/poller/pollertest"
)

// The library's pollers are started before the suite counts what each test
// leaves, as they stay for the process's life.
func TestConformance(t *testing.T) {
	if err := start(); err != nil {
		t.Fatal(err)
	}
	pollertest.Run(t, Open)
}
