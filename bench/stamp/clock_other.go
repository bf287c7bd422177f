//go:build !linux

package stamp

import "time"

// shared is the wall clock, which may be set while a bench runs; the bench of
// processes on one machine is for Linux.
func shared() int64 { return time.Now().UnixNano() }
