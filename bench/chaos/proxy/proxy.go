// Package proxy stands between two parts of a cluster on TCP and breaks what
// runs through it, in the three ways in which a network does.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Mode says what happens to bytes.
type Mode uint8

// The modes.
const (
	// Pass: everything goes through.
	Pass Mode = iota
	// Refuse: connections are reset, new ones at once.
	Refuse
	// Silence: nothing goes through, and nobody is told; connections that were
	// caught in it are reset when it ends.
	Silence
	// OneWay: requests go through, answers do not; then as with Silence. So what
	// was asked is done, and who asked does not know.
	OneWay
)

func (m Mode) String() string { return [...]string{"pass", "refuse", "silence", "one way"}[m] }

// dialTimeout bounds the connect to the target.
const dialTimeout = 2 * time.Second

// Proxy listens at one address and connects to another.
type Proxy struct {
	listener net.Listener // immutable
	target   string       // immutable
	done     sync.WaitGroup

	mu     sync.Mutex
	mode   Mode               // guarded by mu
	change chan struct{}      // guarded by mu; closed when the mode changes
	pairs  map[*pair]struct{} // guarded by mu
	closed bool               // guarded by mu
}

// pair is one connection and its continuation.
type pair struct {
	near, far net.Conn // far is nil until it is connected; guarded by Proxy.mu
}

// Listen starts a proxy from addr to target, in mode Pass.
func Listen(addr, target string) (*Proxy, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &Proxy{listener: l, target: target, change: make(chan struct{}), pairs: map[*pair]struct{}{}}
	p.done.Go(p.accept)
	return p, nil
}

// Addr is where it listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set changes the mode. Connections do not survive a mode but Pass: what bytes
// they missed cannot be made good.
func (p *Proxy) Set(mode Mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mode == Refuse || mode == Pass && p.mode != Pass {
		p.resetLocked()
	}
	p.mode = mode
	close(p.change)
	p.change = make(chan struct{})
}

// Close ends all connections and the listener, and waits for both. Idempotent.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.resetLocked()
	p.mode = Refuse
	close(p.change)
	p.change = make(chan struct{})
	p.mu.Unlock()
	p.listener.Close()
	p.done.Wait()
}

func (p *Proxy) resetLocked() {
	for one := range p.pairs {
		reset(one.near)
		reset(one.far)
	}
}

// reset closes with RST, which both ends notice at once.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok && tcp != nil {
		_ = tcp.SetLinger(0) // of one that is closed: no matter
		_ = tcp.Close()
	}
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(10 * time.Millisecond) // out of descriptors: they come back
			continue
		}
		p.done.Go(func() { p.serve(near) })
	}
}

func (p *Proxy) serve(near net.Conn) {
	one := &pair{near: near}
	if !p.enter(one) {
		reset(near)
		return
	}
	defer p.leave(one)
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	far, err := new(net.Dialer).DialContext(ctx, "tcp", p.target)
	if err != nil || !p.connected(one, far) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(far, near, Silence); reset(far) })
	p.copy(near, far, OneWay)
	reset(near)
	both.Wait()
}

// enter takes a connection in, unless they are refused.
func (p *Proxy) enter(one *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == Refuse {
		return false
	}
	p.pairs[one] = struct{}{}
	return true
}

// connected adds the continuation; false if the pair has been reset meanwhile.
func (p *Proxy) connected(one *pair, far net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	one.far = far
	return p.mode != Refuse
}

func (p *Proxy) leave(one *pair) {
	reset(one.near)
	p.mu.Lock()
	defer p.mu.Unlock()
	reset(one.far)
	delete(p.pairs, one)
}

// copy carries bytes until an end closes, and holds them while the mode is one
// of those that hold this direction: Silence holds both, OneWay the answers.
func (p *Proxy) copy(to, from net.Conn, holds Mode) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.wait(holds)
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait returns when the mode no longer holds.
func (p *Proxy) wait(holds Mode) {
	for {
		p.mu.Lock()
		held := p.mode == Silence || p.mode == OneWay && holds == OneWay
		change := p.change
		p.mu.Unlock()
		if !held {
			return
		}
		<-change
	}
}
