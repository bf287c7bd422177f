//go:build linux

package uring

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

// release gives up all that a link holds. A request under way holds the socket
// itself and not its descriptor, so the descriptor may be closed, and given to
// another, at once; the socket ends when the requests have, at the loop's next
// submission. Their completions name a generation that is gone.
func (l *loop) release(id poller.ID) {
	k := l.links.Tenant(id)
	l.silence(id, k)
	if k.flag.has(polling) {
		l.cancel(token(drained, id))
	}
	_ = syscall.Close(int(k.fd)) // on Linux the descriptor is gone even if this fails
	l.rests.Free(k.rest)
	if k.flag.has(failed) {
		delete(l.failures, id)
	}
	l.links.Remove(id)
}
