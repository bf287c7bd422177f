//go:build linux

package gnet

import (
	"testing"

	"github.com/oortim/oort/poller/pollertest"
)

func TestConformance(t *testing.T) { pollertest.Run(t, Open) }
