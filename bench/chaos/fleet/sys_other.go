//go:build !linux

package fleet

import "syscall"

// attributes: only Linux ties a child's life to its parent's.
func attributes(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
