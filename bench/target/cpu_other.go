//go:build !linux

package target

import "time"

// CPU is known on Linux only.
func (t *Target) CPU() (time.Duration, bool) { return 0, false }
