// Package link turns the bytes of one client link into events: the PROXY
// header if one is expected, the WebSocket upgrade if there is one, then
// frames. It is a state machine over bytes and knows no socket.
//
//	         ┌──────────┐   ┌─────────┐ "GET "  ┌────────┐  101  ┌────┐
//	accept ─▶│ Proxy(1) │──▶│ Sniff(2)│────────▶│ Head(3)│──────▶│ WS │
//	         └──────────┘   └─────────┘         └────────┘       └────┘
//	                             │ anything else   ┌─────┐
//	                             └────────────────▶│ TCP │
//	                                               └─────┘
//	(1) only where switched on (2) only on a port for both (3) where a
//	WebSocket port starts
package link

import (
	"errors"
	"fmt"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/proxyproto"
	"github.com/oortim/oort/proto/ws"
)

// Stage is what the next bytes of a link must be.
type Stage uint8

const (
	StageTCP   Stage = iota // frames, one after the other
	StageWS                 // WebSocket frames, a message holds one frame
	StageHead               // the head of a WebSocket upgrade
	StageSniff              // the first bytes decide between TCP and Head
	StageProxy              // a PROXY header, then what Decoder.after says
)

// Errors of this package. Errors of the parsers (proto/frame, proto/ws) come
// as they are.
var (
	// ErrText: a WebSocket text message; only binary ones are taken.
	ErrText = errors.New("link: text message")
	// ErrProxy: no proper PROXY header.
	ErrProxy = errors.New("link: bad PROXY header")
	// ErrUpgrade: the head is no proper upgrade; wraps a *ws.RejectError.
	ErrUpgrade = errors.New("link: bad upgrade")
)

// Limits on what a link may send.
type Limits struct {
	Frame int // bytes of a frame, header and body
	Head  ws.HeadLimits
}

// Kind says what an Event is.
type Kind uint8

const (
	None    Kind = iota // the bytes were used up by something that concerns nobody
	Frame               // Event.Frame
	Upgrade             // Event.Request: answer it with 101 before anything else
	Proxied             // Event.Proxy: who the client really is
	Ping                // Event.Payload wants to come back in a pong
	Close               // the client closes; Event.Payload is the close payload
)

// Event is one thing that a link said. What it holds aliases the input and is
// valid as long as that is.
type Event struct {
	Kind    Kind
	Frame   frame.Frame
	Request ws.Request
	Proxy   proxyproto.Header
	Payload []byte
}

// Decoder is the receive state of one link: small and pointer-free, so that it
// can lie in a slab.
type Decoder struct {
	stage Stage
	after Stage // after StageProxy
	ws    ws.State
}

// NewDecoder starts at stage, behind a PROXY header if proxy is set.
func NewDecoder(stage Stage, proxy bool) Decoder {
	if proxy {
		return Decoder{stage: StageProxy, after: stage}
	}
	return Decoder{stage: stage}
}

// Stage is what the next bytes must be.
func (d *Decoder) Stage() Stage { return d.stage }

// Spoke reports whether it is known how to speak to the link.
func (d *Decoder) Spoke() bool { return d.stage == StageTCP || d.stage == StageWS }

// Next takes the first event from b. n is how many bytes it took; n == 0 with
// a nil error means that more bytes are needed. parts keeps the fragments of
// messages between calls. After an error the link is to be closed.
//
// Payloads are unmasked in place in b, and only those of whole frames, so that
// bytes which were not taken may be given again.
func (d *Decoder) Next(b []byte, slot uint32, lim *Limits, parts *Parts) (ev Event, n int, err error) {
	switch d.stage {
	case StageProxy:
		return d.proxy(b)
	case StageSniff:
		if !d.sniff(b) {
			return ev, 0, nil
		}
		return d.Next(b, slot, lim, parts)
	case StageHead:
		return d.head(b, lim)
	case StageWS:
		return d.message(b, slot, lim, parts)
	}
	ev.Frame, n, err = frame.Next(b, lim.Frame)
	if n > 0 {
		ev.Kind = Frame
	}
	return ev, n, err
}

func (d *Decoder) proxy(b []byte) (ev Event, n int, err error) {
	ev.Proxy, n, err = proxyproto.Parse(b)
	if err != nil {
		return ev, 0, fmt.Errorf("%w: %w", ErrProxy, err)
	}
	if n > 0 {
		ev.Kind = Proxied
		d.stage = d.after
	}
	return ev, n, nil
}

// sniff decides by the first byte: a frame starts with the high byte of its
// length, which is 0 below 16 MiB; an upgrade starts with a G.
func (d *Decoder) sniff(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	d.stage = StageTCP
	if b[0] == 'G' {
		d.stage = StageHead
	}
	return true
}

func (d *Decoder) head(b []byte, lim *Limits) (ev Event, n int, err error) {
	ev.Request, n, err = ws.ParseRequest(b, lim.Head)
	if err != nil {
		return ev, 0, fmt.Errorf("%w: %w", ErrUpgrade, err)
	}
	if n > 0 {
		ev.Kind = Upgrade
		d.stage = StageWS
	}
	return ev, n, nil
}

func (d *Decoder) message(b []byte, slot uint32, lim *Limits, parts *Parts) (ev Event, n int, err error) {
	part, n, err := d.ws.Next(b, ws.Limits{Message: lim.Frame})
	if n == 0 || err != nil {
		return ev, 0, err
	}
	switch part.Op {
	case ws.OpText:
		return ev, 0, ErrText
	case ws.OpPing:
		return Event{Kind: Ping, Payload: part.Payload}, n, nil
	case ws.OpClose:
		return Event{Kind: Close, Payload: part.Payload}, n, nil
	case ws.OpBinary:
		whole, ok := parts.add(slot, part)
		if !ok {
			return ev, n, nil
		}
		ev.Kind = Frame
		ev.Frame, err = frame.Exact(whole, lim.Frame)
		return ev, n, err
	}
	return ev, n, nil // a pong
}

// Parts holds the fragments of messages that are not yet whole, by slot. The
// zero value is ready. Owned by one loop.
type Parts struct {
	bySlot map[uint32][]byte
	done   []byte // the last whole message, until the next call
}

// add returns the message that part completes.
func (p *Parts) add(slot uint32, part ws.Part) (whole []byte, ok bool) {
	if part.First && part.Fin {
		return part.Payload, true
	}
	if p.bySlot == nil {
		p.bySlot = map[uint32][]byte{}
	}
	p.bySlot[slot] = append(p.bySlot[slot], part.Payload...)
	if !part.Fin {
		return nil, false
	}
	p.done = p.bySlot[slot]
	delete(p.bySlot, slot)
	return p.done, true
}

// Forget drops what a link that ended has left.
func (p *Parts) Forget(slot uint32) { delete(p.bySlot, slot) }

// Len is how many links have a message begun.
func (p *Parts) Len() int { return len(p.bySlot) }
