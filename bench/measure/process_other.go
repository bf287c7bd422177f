//go:build !linux

package measure

import (
	"errors"
	"time"
)

// ErrNotLinux: the figures of processes and kernel are read from Linux's /proc.
var ErrNotLinux = errors.New("measure: known on Linux only")

// Process is another process.
type Process struct{}

// OpenProcess names the process pid.
func OpenProcess(int) Process { return Process{} }

// CPU is known on Linux only.
func (Process) CPU() (time.Duration, error) { return 0, ErrNotLinux }

// Nice is known on Linux only.
func (Process) Nice(int) error { return ErrNotLinux }

// Memory is what a process occupies, in bytes.
type Memory struct{ RSS, Anonymous, PageTables int64 }

// Memory is known on Linux only.
func (Process) Memory() (Memory, error) { return Memory{}, ErrNotLinux }

// Kernel is what the kernel uses for itself, in bytes, and its TCP sockets.
type Kernel struct {
	Slab, PageTables, Stacks, Available int64
	InUse, Allocated, TimeWait          int64
	Buffers                             int64
}

// ReadKernel is known on Linux only.
func ReadKernel() (Kernel, error) { return Kernel{}, ErrNotLinux }

// Machine is what all CPUs together have done.
type Machine struct{ Busy, Stolen time.Duration }

// ReadMachine is known on Linux only.
func ReadMachine() (Machine, error) { return Machine{}, ErrNotLinux }

// Holdings are what a process holds of the kernel by number.
type Holdings struct{ Descriptors, Threads int }

// Holdings are known on Linux only.
func (Process) Holdings() (Holdings, error) { return Holdings{}, ErrNotLinux }
