package measure

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Machine is what all CPUs together have done since boot, to 10 ms: what no
// process is charged for, such as kernel threads and, on some kernels,
// interrupts, shows only here.
type Machine struct {
	Busy   time.Duration // neither idle nor waiting for disks, nor stolen
	Stolen time.Duration // wanted to run, but the hypervisor ran somebody else
}

// userHz is the unit of /proc/stat, the same on every Linux that Go runs on.
const userHz = 100

// ReadMachine reads the first line of proc_stat(5).
func ReadMachine() (Machine, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Machine{}, fmt.Errorf("measure: %w", err)
	}
	m, err := parseStat(string(b))
	if err != nil {
		return m, fmt.Errorf("measure: /proc/stat: %w", err)
	}
	return m, nil
}

// parseStat reads "cpu user nice system idle iowait irq softirq steal …"; guest
// times, which follow, are parts of user and nice.
func parseStat(text string) (m Machine, err error) {
	line, _, _ := strings.Cut(text, "\n")
	words := strings.Fields(line)
	if len(words) < 9 || words[0] != "cpu" {
		return m, fmt.Errorf("%q does not begin as expected", line)
	}
	var ticks [8]int64
	for i := range ticks {
		if ticks[i], err = strconv.ParseInt(words[i+1], 10, 64); err != nil {
			return m, err
		}
	}
	user, nice, system, irq, softirq, steal := ticks[0], ticks[1], ticks[2], ticks[5], ticks[6], ticks[7]
	m.Busy = time.Duration(user+nice+system+irq+softirq) * (time.Second / userHz)
	m.Stolen = time.Duration(steal) * (time.Second / userHz)
	return m, nil
}
