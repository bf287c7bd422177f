//go:build linux || darwin || freebsd

package raw

import (
	"context"
	"net"
	"testing"

	"github.com/oortim/oort/poller"
)

// Where the kernel does not deal connects (macOS) the loops accept from one
// socket. That needs nothing of macOS, so it is tested everywhere.
func TestLoopsShareAListener(t *testing.T) {
	opened := make(chan poller.ID, 1)
	o, err := poller.Options{NewHandler: func(poller.Loop) poller.Handler { return nil }}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{}
	e.Options = o
	for i := range 2 {
		l, err := newLoop(e, i)
		if err != nil {
			t.Fatal(err)
		}
		o.NewHandler = func(poller.Loop) poller.Handler { return &echo{loop: l, size: 1, ids: opened, wait: -1} }
		if err := l.Calls.Open(o, l); err != nil {
			t.Fatal(err)
		}
		e.Own = append(e.Own, l)
	}
	addr, err := e.Own[0].listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Own[1].share(e.Own[0]); err != nil {
		t.Fatal(err)
	}
	e.Begin()
	for _, l := range e.Own {
		go l.run()
	}
	for range 50 {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		<-opened
		c.Close()
	}
	if err := e.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if n := e.Stats().Accepted; n != 50 {
		t.Errorf("accepted %d of 50", n)
	}
	if _, err := net.Dial("tcp", addr.String()); err == nil {
		t.Error("the socket is still listened on")
	}
}
