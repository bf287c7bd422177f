//go:build linux

package uring

import (
	"syscall"

	"github.com/oortim/oort/poller"
)

// Close marks. It is the one way by which a link ends, whoever ends it.
func (l *loop) Close(id poller.ID, reason error) {
	if l.links.Mark(id) != nil {
		l.closing = append(l.closing, closing{id, reason})
	}
}

// runClosing tells and releases the links that were marked, and those that
// OnClose marks meanwhile.
func (l *loop) runClosing() {
	for i := 0; i < len(l.closing); i++ {
		c := l.closing[i]
		l.calls.OnClose(c.id, c.reason)
		l.release(c.id)
	}
	clear(l.closing) // lets go of the reasons
	l.closing = l.closing[:0]
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
