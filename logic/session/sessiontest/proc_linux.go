package sessiontest

import "syscall"

// diesWithUs makes a child end when the test's process is killed.
func diesWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
