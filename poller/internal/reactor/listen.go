//go:build linux || darwin || freebsd

package reactor

import (
	"fmt"
	"net"
	"strconv"

	"github.com/oortim/oort/poller/internal/accept"
)

// Listen opens every address of the options for each loop by open, which
// returns what it bound. A port that the kernel chose for the first loop is the
// port of the others. An address that another process listens on is an error
// that wraps syscall.EADDRINUSE, even if that process would share it.
func (e *Engine[M]) Listen(open func(l M, addr string) (*net.TCPAddr, error)) error {
	for _, addr := range e.Options.Listen {
		bound, err := e.listenOn(addr, open)
		if err != nil {
			return fmt.Errorf("poller: listen on %q: %w", addr, err)
		}
		e.addrs = append(e.addrs, bound)
	}
	return nil
}

func (e *Engine[M]) listenOn(addr string, open func(l M, addr string) (*net.TCPAddr, error)) (*net.TCPAddr, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if err := probe(addr, port); err != nil {
		return nil, err
	}
	var bound *net.TCPAddr
	for _, l := range e.Own {
		if bound, err = open(l, net.JoinHostPort(host, port)); err != nil {
			return nil, err
		}
		port = strconv.Itoa(bound.Port)
	}
	return bound, nil
}

// probe binds addr for a moment without sharing it. Otherwise two servers that
// were given the same port would both start, and each get half of the links.
// A port of 0 is never one that is in use.
func probe(addr, port string) error {
	if port == "0" {
		return nil
	}
	ln, err := accept.TCP(addr, nil)
	if err != nil {
		return err
	}
	return ln.Close()
}
