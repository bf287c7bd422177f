package raw

import (
	"testing"

	"github.com/oortim/oort/poller/pollertest"
)

func TestConformanceEdge(t *testing.T)    { pollertest.Run(t, Options{Edge: true}.Open) }
func TestConformancePrivate(t *testing.T) { pollertest.Run(t, Options{Private: true}.Open) }

// Edge-triggered and blocked are tested with all that is above them: Private
// blocks as Locked does, so there is no run of Locked alone.
func TestConformanceEdgePrivate(t *testing.T) {
	pollertest.Run(t, Options{Edge: true, Private: true}.Open)
}
