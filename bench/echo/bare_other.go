//go:build !linux

package echo

import (
	"sync/atomic"

	"github.com/oortim/oort/bench/floor"
)

// echoBare works on Linux only.
func echoBare([]int, *atomic.Bool) (Bare, error) { return Bare{}, floor.ErrNotLinux }
