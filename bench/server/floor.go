package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/oortim/oort/bench/floor"
	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// taskFloor asks a tap for a pass; far from the comet's own kinds.
const taskFloor uint32 = 1 << 31

// tap stands between the engine and a loop's handler. It passes everything on
// but its own task, for which it makes bare system calls where the handler
// would have been called: on the loop's own goroutine, with its descriptors.
type tap struct {
	poller.Handler
	loop poller.Loop

	// owned by the loop
	tcp, ws []int // sockets by what their links speak
}

// pass is one thing that a loop is to do for a floor. The loop fills in what
// came of it and hands it back on done.
type pass struct {
	what    func(*tap, *pass) error
	ports   *ports // find
	loops   int    // divide
	tcp, ws []byte // send
	done    chan<- *pass

	sockets     int
	first       uint64 // inode of the first socket
	sent, short int64
	cpu         time.Duration
	err         error
}

// ports are the server's own, by which its sockets are known.
type ports struct{ tcp, ws map[uint16]bool }

func (t *tap) OnTask(task poller.Task) {
	if task.Kind != taskFloor {
		t.Handler.OnTask(task)
		return
	}
	p := task.Ref.(*pass)
	p.err = p.what(t, p)
	p.done <- p // has room
}

// find finds the sockets of links that this loop's goroutine can see.
func (t *tap) find(p *pass) error {
	all, err := floor.Sockets()
	t.tcp, t.ws = nil, nil
	for _, s := range all {
		switch {
		case p.ports.tcp[s.Local.Port()]:
			t.tcp = append(t.tcp, s.FD)
		case p.ports.ws[s.Local.Port()]:
			t.ws = append(t.ws, s.FD)
		default:
			continue
		}
		if p.sockets++; p.sockets == 1 {
			p.first = s.Inode
		}
	}
	return err
}

// divide leaves this loop its share of what all of them see.
func (t *tap) divide(p *pass) error {
	t.tcp, t.ws = share(t.tcp, t.loop.Index(), p.loops), share(t.ws, t.loop.Index(), p.loops)
	p.sockets = len(t.tcp) + len(t.ws)
	return nil
}

// share is every nth of list, from the index-th.
func share(list []int, index, n int) (own []int) {
	for i := index; i < len(list); i += n {
		own = append(own, list[i])
	}
	return own
}

func (t *tap) send(p *pass) (err error) {
	p.cpu, err = floor.Measure(func() {
		sent, short := floor.Send(t.tcp, p.tcp)
		more, shorter := floor.Send(t.ws, p.ws)
		p.sent, p.short = int64(sent+more), int64(short+shorter)
	})
	return err
}

// findSockets has each loop find its sockets and returns how many there are.
// Where loops have one descriptor table, nothing tells whose a socket is: they
// all see the same one first, and each takes its share.
func (s *Server) findSockets(ctx context.Context) (sockets int, err error) {
	found, err := s.passes(ctx, pass{what: (*tap).find, ports: s.ports()})
	if err != nil {
		return 0, err
	}
	if len(found) > 1 && found[0].first == found[1].first {
		found, err = s.passes(ctx, pass{what: (*tap).divide, loops: len(found)})
	}
	for _, p := range found {
		sockets += p.sockets
	}
	return sockets, err
}

// Floor sends what args describe to every link, as stamp.Everyone whatever
// Rooms says, by bare system calls at the pace at which Push would. Links must
// neither come nor go meanwhile.
func (s *Server) Floor(ctx context.Context, args PushArgs) (r FloorReply, err error) {
	args.Rooms = 0
	plan, err := newSchedule(args)
	if err != nil {
		return r, err
	}
	if r.Sockets, err = s.findSockets(ctx); err != nil || r.Sockets == 0 {
		return r, err
	}
	_, err = plan.run(ctx, func(from, to int) error {
		for n := from; n < to; n++ {
			tcp, ws := plan.wires(n)
			passes, err := s.passes(ctx, pass{what: (*tap).send, tcp: tcp, ws: ws})
			if err != nil {
				return err
			}
			r.add(passes, plan.args.Batch)
		}
		return nil
	})
	r.Took = time.Since(plan.start)
	return r, err
}

func (r *FloorReply) add(passes []*pass, messages int) {
	r.Messages += int64(messages)
	for _, p := range passes {
		r.Sent, r.Short, r.CPU = r.Sent+p.sent, r.Short+p.short, r.CPU+p.cpu
	}
}

// passes has every loop make the pass, at the same time.
func (s *Server) passes(ctx context.Context, like pass) (all []*pass, err error) {
	done := make(chan *pass, len(s.taps))
	like.done = done
	for _, t := range s.taps {
		p := like
		if !t.loop.Post(poller.Task{Kind: taskFloor, Ref: &p}) {
			return nil, fmt.Errorf("loop %d takes no task", t.loop.Index())
		}
	}
	for range s.taps {
		select {
		case p := <-done:
			all = append(all, p)
			err = errors.Join(err, p.err)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return all, err
}

func (s *Server) ports() *ports {
	p := &ports{tcp: map[uint16]bool{}, ws: map[uint16]bool{}}
	for i, addr := range s.engine.Addrs() {
		at, _ := netip.ParseAddrPort(addr.String()) // an engine's address is one
		if i < s.tcp {
			p.tcp[at.Port()] = true
		} else {
			p.ws[at.Port()] = true
		}
	}
	return p
}

// wires are the bytes of batch n, for TCP and for WebSocket.
func (s *schedule) wires(n int) (tcp, web []byte) {
	var body []byte
	s.stamps(n, func(st stamp.Stamp) {
		body = stamp.Append(body[:0], st, s.args.Size)
		from := len(tcp)
		tcp = frame.Append(tcp, pushOp, 0, body)
		web = ws.AppendFrame(web, ws.OpBinary, tcp[from:])
	})
	return tcp, web
}
