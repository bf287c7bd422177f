package server

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/oortim/oort/bench/floor"
	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// Floor sends what args describe to every link, as stamp.Everyone whatever
// Rooms says, by bare system calls at the pace at which Push would. Links must
// neither come nor go meanwhile.
func (s *Server) Floor(ctx context.Context, args PushArgs) (r FloorReply, err error) {
	args.Rooms = 0
	plan, err := newSchedule(args)
	if err != nil {
		return r, err
	}
	of, err := s.sockets(ctx)
	for _, own := range of {
		r.Sockets += len(own.tcp) + len(own.web)
	}
	if err != nil || r.Sockets == 0 {
		return r, err
	}
	_, err = plan.run(ctx, func(from, to int) error {
		for n := from; n < to; n++ {
			if err := s.bare(ctx, of, plan, n, &r); err != nil {
				return err
			}
		}
		return nil
	})
	r.Took = time.Since(plan.start)
	return r, err
}

// sockets of one loop, by what their links speak.
type sockets struct{ tcp, web []int }

func (s *Server) sockets(ctx context.Context) (of []sockets, err error) {
	web := map[uint16]bool{} // by port
	for i, addr := range s.engine.Addrs() {
		at, err := netip.ParseAddrPort(addr.String())
		if err != nil {
			return nil, err
		}
		web[at.Port()] = i >= s.tcp
	}
	found, err := s.taps.Sockets(ctx, func(k floor.Socket) bool { _, ours := web[k.Local.Port()]; return ours })
	of = make([]sockets, len(found))
	for i, own := range found {
		for _, k := range own {
			if web[k.Local.Port()] {
				of[i].web = append(of[i].web, k.FD)
			} else {
				of[i].tcp = append(of[i].tcp, k.FD)
			}
		}
	}
	return of, err
}

// bare sends batch n of plan to all sockets and adds what it cost to r.
func (s *Server) bare(ctx context.Context, of []sockets, plan *schedule, n int, r *FloorReply) error {
	tcp, web := plan.wires(n)
	r.Messages += int64(plan.args.Batch)
	var mu sync.Mutex // guards r
	return s.taps.Each(ctx, func(loop int) error {
		var sent, short int
		used, err := floor.Measure(func() {
			a, b := floor.Send(of[loop].tcp, tcp)
			c, d := floor.Send(of[loop].web, web)
			sent, short = a+c, b+d
		})
		mu.Lock()
		defer mu.Unlock()
		r.Sent, r.Short, r.CPU = r.Sent+int64(sent), r.Short+int64(short), r.CPU+used
		return err
	})
}

// wires are the bytes of batch n, for TCP and for WebSocket.
func (s *schedule) wires(n int) (tcp, web []byte) {
	var body []byte
	s.stamps(n, func(st stamp.Stamp) {
		body = stamp.Append(body[:0], st, s.args.Size)
		from := len(tcp)
		tcp = frame.Append(tcp, PushOp, 0, body)
		web = ws.AppendFrame(web, ws.OpBinary, tcp[from:])
	})
	return tcp, web
}
