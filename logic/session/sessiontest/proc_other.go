//go:build !linux

package sessiontest

import "syscall"

// diesWithUs can do nothing here: a child outlives a test that is killed.
func diesWithUs() *syscall.SysProcAttr { return nil }
