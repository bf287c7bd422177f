//go:build linux

package uring

import (
	"testing"

	"github.com/oortim/oort/poller/pollertest"
)

func TestConformance(t *testing.T) { pollertest.Run(t, Open) }
