package measure

import (
	"fmt"
	"os"
	"strconv"
)

// Holdings are what a process holds of the kernel by number.
type Holdings struct {
	Descriptors int // in the table of its first thread: loops with tables of their own have more
	Threads     int
}

// Holdings counts the entries of /proc/PID/fd and /proc/PID/task.
func (p Process) Holdings() (h Holdings, err error) {
	if h.Descriptors, err = p.entries("fd"); err != nil {
		return h, err
	}
	h.Threads, err = p.entries("task")
	return h, err
}

func (p Process) entries(dir string) (int, error) {
	all, err := os.ReadDir("/proc/" + strconv.Itoa(p.pid) + "/" + dir)
	if err != nil {
		return 0, fmt.Errorf("measure: %w", err)
	}
	return len(all), nil
}
