package target

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick of the kernel's process times; it is 100 a second on every Linux.
const tick = 10 * time.Millisecond

// CPU is the processor time that the server has used; false if it is not ours
// to ask. See proc_pid_stat(5), fields 14 and 15.
func (t *Target) CPU() (time.Duration, bool) {
	if t.child == nil {
		return 0, false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.child.cmd.Process.Pid))
	if err != nil {
		return 0, false
	}
	// The name, in parentheses, may hold anything; what follows begins with
	// field 3.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.Atoi(string(fields[11]))
	system, err2 := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * tick, err1 == nil && err2 == nil
}
