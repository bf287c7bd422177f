package measure

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Nice has all threads of the process, and those that they start, give way to
// others by n; see nice(1).
func (p Process) Nice(n int) error {
	dir := "/proc/" + strconv.Itoa(p.pid) + "/task"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("measure: %w", err)
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err == nil {
			err = unix.Setpriority(unix.PRIO_PROCESS, tid, n) // of one thread, on Linux
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("measure: priority of thread %s of process %d: %w", t.Name(), p.pid, err)
		}
	}
	return nil
}
