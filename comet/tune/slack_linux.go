package tune

import (
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// slack is how late the kernel may end a sleep of one of this process's threads,
// so as to end several at once; prctl(2), PR_SET_TIMERSLACK. Its 50 µs are for
// who cannot wait.
//
// The runtime's monitor (runtime.sysmon) looks every 20 µs for threads that sit
// in a system call with a processor, for as long as it finds some; and a
// loop that waits for its links is one each time. Where sleeping and waking are
// dear, as in a virtual machine, that is 4,000 times a second some 15 µs, and a fifth
// or more of what a login costs a comet (docs/design.md has the figures). A
// millisecond later does as well.
const (
	slack = 1_000_000 // ns
	exact = 50_000    // ns; the kernel's own
	spare = 64        // threads
)

// slackSet says to the second run that there was a first.
const slackSet = "OORT_TIMER_SLACK_SET"

// Slack lets the sleeps of this process end a millisecond late, which saves
// wake-ups. Threads have that from the one that starts them, and the monitor
// is older than main; but it stays over execve(2), so the process starts itself
// once more. Call it first thing in main. It does nothing where that is
// not possible, or where somebody (systemd.exec(5), TimerSlackNSec=) has done it.
func Slack() {
	if _, again := os.LookupEnv(slackSet); again {
		_ = os.Unsetenv(slackSet)
		restore()
		return
	}
	runtime.LockOSThread() // the thread that has the slack is the one that goes on
	defer runtime.UnlockOSThread()
	if has, err := slackNow(); err != nil || has >= slack {
		return
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0); err != nil {
		return
	}
	_ = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), slackSet+"=1")) // otherwise things go on as they are
}

// slackNow is that of the calling thread.
func slackNow() (ns int, err error) { return unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0) }

// restore has threads sleep as exactly as before, all but the monitor: what stops
// the world for the collector sleeps 100 µs at a time until all have stopped, and
// with the slack for all there were 14 stops of 5 ms and more in four runs of 45
// collections, without 1. Threads that the runtime starts later have the slack of
// the one that starts them, so as many as it may need are started here, at the
// same time.
func restore() {
	var ready, done sync.WaitGroup
	ready.Add(spare) // before any waits
	for range spare {
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			_ = unix.Prctl(unix.PR_SET_TIMERSLACK, exact, 0, 0, 0)
			ready.Done()
			ready.Wait() // so that each has a thread of its own
		})
	}
	done.Wait()
}
