package measure

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process is another process, or this one, as the kernel sees it. The pid must
// stay its own while it is used: ask of children that have not been waited for.
type Process struct{ pid int }

// OpenProcess names the process pid.
func OpenProcess(pid int) Process { return Process{pid} }

// CPU is the processor time, user and system, that all its threads have used,
// those that have ended included. It is read from the process's own clock in
// nanoseconds; a thread that runs right now on another CPU may be behind by a
// tick of the kernel, at most 10 ms, so measure for seconds.
func (p Process) CPU() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(cpuClock(p.pid), &ts); err != nil {
		return 0, fmt.Errorf("measure: CPU time of process %d: %w", p.pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// cpuClock is what clock_getcpuclockid(3) makes of a pid: the kernel's
// MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of linux/posix-timers.h.
func cpuClock(pid int) int32 {
	const sched = 2
	return int32(^uint32(pid)<<3 | sched)
}

// Memory is what a process occupies, in bytes.
type Memory struct {
	RSS        int64 // resident
	Anonymous  int64 // of RSS, what is not a file's: heap and stacks
	PageTables int64 // kernel memory that maps it
}

// Memory reads proc_pid_smaps_rollup(5), which counts pages one by one:
// the resident size in status is behind by up to 64 pages a thread.
func (p Process) Memory() (m Memory, err error) {
	err = p.read("smaps_rollup", map[string]*int64{"Rss": &m.RSS, "Anonymous": &m.Anonymous})
	if err != nil {
		return m, err
	}
	return m, p.read("status", map[string]*int64{"VmPTE": &m.PageTables})
}

func (p Process) read(file string, fields map[string]*int64) error {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/" + file)
	if err != nil {
		return fmt.Errorf("measure: %w", err)
	}
	if err := readKilobytes(string(b), fields); err != nil {
		return fmt.Errorf("measure: %s of process %d: %w", file, p.pid, err)
	}
	return nil
}

// readKilobytes takes fields out of text in the style of /proc/meminfo, as
// bytes: "Rss:   1234 kB".
func readKilobytes(text string, fields map[string]*int64) error {
	found := 0
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		into := fields[name]
		if into == nil {
			continue
		}
		words := strings.Fields(rest)
		if len(words) != 2 || words[1] != "kB" {
			return fmt.Errorf("%s is %q, not a number of kB", name, strings.TrimSpace(rest))
		}
		kb, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*into = kb << 10
		found++
	}
	if found < len(fields) {
		return fmt.Errorf("only %d of %d fields are there", found, len(fields))
	}
	return nil
}
