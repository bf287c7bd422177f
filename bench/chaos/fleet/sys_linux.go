package fleet

import "syscall"

// attributes give the process a group of its own, so that an interrupt from a
// terminal reaches only us, and have the kernel kill it when we die, unless it
// is to stay.
func attributes(stay bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if !stay {
		a.Pdeathsig = syscall.SIGKILL
	}
	return a
}
