//go:build linux || darwin || freebsd

package raw

import "golang.org/x/sys/unix"

// reserved is how many descriptors a loop with a table of its own keeps for the
// connects that wait when it has no others left.
//
// The kernel resets what waits at a socket that stops listening, unless
// net.ipv4.tcp_migrate_req is set, which hands it to the sockets of the other
// loops. So what waits is accepted first, and a loop counts as relieved only
// when it has as many again. A connect is still lost, without that setting, if
// more wait than are reserved, or if its handshake is not over at that moment.
const reserved = 32

// keepReserve takes as many descriptors as the reserve lacks.
func (l *loop) keepReserve() error {
	for len(l.reserve) < reserved {
		fd, err := unix.FcntlInt(uintptr(l.poll.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			l.spendReserve()
			return err
		}
		l.reserve = append(l.reserve, fd)
	}
	return nil
}

// spendReserve gives the reserve up.
func (l *loop) spendReserve() {
	for _, fd := range l.reserve {
		_ = unix.Close(fd)
	}
	l.reserve = nil
}

// fill accepts what waits, as far as the turn's budget and what was the
// reserve allow, and then stops listening.
func (l *loop) fill() {
	for i := range l.listeners {
		l.accept(i)
	}
	if l.full && l.MayAccept() {
		l.pauseAccept()
	}
}

// reopen listens again after pauseAccept, if there are descriptors again.
func (l *loop) reopen() error {
	if err := l.keepReserve(); err != nil {
		return err
	}
	for _, ln := range l.listeners {
		if err := unix.Listen(ln.fd, l.engine.Options.Backlog); err != nil {
			l.spendReserve()
			return err
		}
	}
	return nil
}
