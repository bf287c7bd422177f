//go:build linux || darwin || freebsd

package raw

import (
	"syscall"

	"github.com/oortim/oort/poller"
)

// Close marks. It is the one way by which a link ends, whoever ends it.
func (l *loop) Close(id poller.ID, reason error) {
	if l.links.Mark(id) != nil {
		l.Marked(id, reason)
	}
}

// release gives up all that a link holds. Closing its descriptor takes it out
// of the poll; it comes after every event of the turn.
func (l *loop) release(id poller.ID) {
	k := l.links.Tenant(id)
	fd := int(k.fd)
	l.rests.Free(k.rest)
	l.links.Remove(id)
	l.poll.forget(fd)
	_ = syscall.Close(fd) // on Linux the descriptor is gone even if this fails
}
