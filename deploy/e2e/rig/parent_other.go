//go:build !linux

package rig

import "syscall"

// dieWithParent: only Linux ties a child's life to its parent's.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
