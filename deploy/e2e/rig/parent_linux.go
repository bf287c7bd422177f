package rig

import "syscall"

// dieWithParent has the kernel kill the process if the test process dies, a
// panic or a timeout of the test included.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
