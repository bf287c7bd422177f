package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process names one process for ever: pids are used again, a pid with its time
// of start is not.
type process struct {
	Name string `json:"name"`
	Pid  int    `json:"pid"`
	Born string `json:"born"` // start time in clock ticks since boot, proc(5)
}

// ErrRunning: the directory's cluster runs already.
var ErrRunning = errors.New("fleet: it runs already")

func stateFile(dir string) string { return filepath.Join(dir, "processes.json") }

// Save writes down which processes there are, for StopSaved.
func (f *Fleet) Save() error {
	var all []process
	for _, p := range f.Parts {
		if pid := p.Pid(); pid != 0 && p.Running() {
			all = append(all, process{p.Name, pid, born(pid)})
		}
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	if err := os.WriteFile(stateFile(f.o.Dir), text, 0o644); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	return nil
}

// CheckFree fails with ErrRunning if processes that Save wrote down in dir live.
func CheckFree(dir string) error {
	all, err := saved(dir)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.lives() {
			return fmt.Errorf("%w: %s, pid %d", ErrRunning, p.Name, p.Pid)
		}
	}
	return nil
}

// StopSaved ends exactly the processes that Save wrote down in dir, the last
// started first, and says what it did to each. Without any it does nothing.
func StopSaved(dir string) (said []string, err error) {
	all, err := saved(dir)
	if err != nil {
		return nil, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		said = append(said, all[i].Name+": "+all[i].stop())
	}
	if err := os.Remove(stateFile(dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return said, fmt.Errorf("fleet: %w", err)
	}
	return said, nil
}

func saved(dir string) (all []process, err error) {
	text, err := os.ReadFile(stateFile(dir))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("fleet: %w", err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("fleet: %s: %w", stateFile(dir), err)
	}
	return all, nil
}

// lives reports whether that very process is there, and is no zombie.
func (p process) lives() bool { return p.Born != "" && born(p.Pid) == p.Born }

func (p process) stop() string {
	if !p.lives() {
		return "was gone"
	}
	_ = syscall.Kill(p.Pid, syscall.SIGTERM) // an error means that it is gone
	_ = syscall.Kill(p.Pid, syscall.SIGCONT)
	for end := time.Now().Add(stopPatience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if !p.lives() {
			return "stopped"
		}
	}
	_ = syscall.Kill(p.Pid, syscall.SIGKILL)
	return "killed, since it did not end by itself"
}

// born is when a process started; "" if there is none of that pid.
func born(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is the name in parentheses and may hold anything; the
	// first after it is the state, the 22nd of all the time of start.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}
