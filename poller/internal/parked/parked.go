//go:build unix

// Package parked has goroutines wait for descriptors of ours without a thread
// each: they park in the runtime's poller, as those of package net do.
package parked

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// FD is a descriptor that a goroutine can wait for.
type FD struct {
	file *os.File // owns it
	conn syscall.RawConn
}

// New takes fd over, also if it fails.
func New(fd int, name string) (*FD, error) {
	if err := unix.SetNonblock(fd, true); err != nil { // makes NewFile register it
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := &FD{file: os.NewFile(uintptr(fd), name)}
	err := f.file.SetReadDeadline(time.Time{}) // fails unless it was registered
	if err == nil {
		f.conn, err = f.file.SyscallConn()
	}
	if err != nil {
		_ = f.file.Close()
		return nil, err
	}
	return f, nil
}

// Wait calls try now, and again whenever the descriptor can be read, until it
// says true. An error means that Close was called. The descriptor stays open
// while try runs.
func (f *FD) Wait(try func(fd int) bool) error {
	return f.conn.Read(func(fd uintptr) bool { return try(int(fd)) })
}

// Close ends every Wait and closes the descriptor. Only the first call counts.
func (f *FD) Close() { _ = f.file.Close() }
