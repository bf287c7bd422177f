package raw

import (
	"testing"

	"github.com/oortim/oort/poller/pollertest"
)

func TestConformanceLocked(t *testing.T) { pollertest.Run(t, Options{Locked: true}.Open) }

func TestConformancePrivate(t *testing.T) { pollertest.Run(t, Options{Private: true}.Open) }
