package tune

import (
	"os"
	"runtime"
)

// Procs lets two more goroutines run than there are CPUs if there are more
// loops than that: the runtime does not see that a loop's system calls take
// time, so loops that are busy would keep the idle ones waiting. Beside two
// busy loops on two CPUs an idle one answers in 0.1 ms instead of 9 (medians; go
// test -run xxx -bench Crowded -benchtime 60x ./poller/raw). Who sets GOMAXPROCS
// knows better.
func Procs(loops int) {
	if procs := runtime.GOMAXPROCS(0); loops > procs && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(procs + 2)
	}
}
