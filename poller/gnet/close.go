//go:build linux

package gnet

import (
	"errors"
	"io"

	"github.com/oortim/oort/poller"
)

// Close marks. It is the one way by which a link ends, whoever ends it.
func (l *loop) Close(id poller.ID, reason error) {
	if k := l.links.find(id); k != nil {
		k.marked = true
		l.closing = append(l.closing, closing{k, reason})
	}
}

// lost marks a link that gnet is about to close, because reading it came to
// its end or failed. A rest that Resume has promised to deliver goes first.
func (l *loop) lost(k *link, err error) {
	if k.marked {
		return
	}
	l.stir()
	if k.redeliver {
		l.redeliver(k)
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = poller.ErrPeerClosed
	}
	l.Close(k.id, err)
}

// runClosing tells and releases the links that were marked, and those that
// OnClose marks meanwhile.
func (l *loop) runClosing() {
	for i := 0; i < len(l.closing); i++ {
		k := l.closing[i].link
		l.calls.OnClose(k.id, l.closing[i].reason)
		l.release(k)
	}
	clear(l.closing)
	l.closing = l.closing[:0]
}

// release gives up all that k holds. gnet calls its OnClose from within, and
// complains of a link that is muted, but closes it.
func (l *loop) release(k *link) {
	l.rests.Free(k.rest)
	l.links.remove(k.id.Slot)
	if c := k.conn; c != nil {
		k.conn = nil
		_ = l.bell.events.Close(c)
	}
}
