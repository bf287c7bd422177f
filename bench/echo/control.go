package echo

import (
	"context"
	"io"

	"github.com/oortim/oort/bench/control"
)

// Methods of the control face; see bench/control. They are for measurements,
// see package bench/scenario.
const (
	MethodAddresses = "addresses" // nothing → Addresses
	MethodStats     = "stats"     // nothing → Stats
	MethodHold      = "hold"      // nothing → HoldReply: from now on echoes are bare
	MethodRelease   = "release"   // nothing → Bare: no more
)

// Addresses are where the server listens, as URLs that a swarm dials:
// tcp://127.0.0.1:9001, ws://127.0.0.1:9001/.
type Addresses struct{ TCP, WS []string }

// HoldReply says how many sockets are echoed on by bare system calls; 0 if the
// engine's can not be.
type HoldReply struct{ Sockets int }

// serveConductor answers a conductor until in ends or ctx is over.
func serveConductor(ctx context.Context, in io.Reader, out io.Writer, s *Server, b *bare) error {
	var profiler control.Profiler
	defer profiler.End()
	defer b.release()
	return control.Serve(ctx, in, out, control.Methods{
		MethodAddresses: control.Func(func(context.Context, control.None) (Addresses, error) { return s.urls(), nil }),
		MethodStats:     control.Func(func(context.Context, control.None) (Stats, error) { return s.Stats(), nil }),
		MethodHold: control.Func(func(ctx context.Context, _ control.None) (HoldReply, error) {
			n, err := b.hold(ctx, s)
			return HoldReply{Sockets: n}, err
		}),
		control.MethodProfile: control.Func(profiler.Profile),
		MethodRelease:         control.Func(func(context.Context, control.None) (Bare, error) { return b.release() }),
	})
}

func (s *Server) urls() (a Addresses) {
	for _, addr := range s.Addrs() {
		a.TCP = append(a.TCP, "tcp://"+addr.String())
		a.WS = append(a.WS, "ws://"+addr.String()+"/")
	}
	return a
}

// Remote is an echo server in a process of its own, `oort bench echo
// --control`. Close of the Child ends it.
type Remote struct{ *control.Child }

// Addresses are where it listens.
func (r Remote) Addresses(ctx context.Context) (reply Addresses, err error) {
	err = r.Call(ctx, MethodAddresses, control.None{}, &reply)
	return reply, err
}

// Stats are what it has done.
func (r Remote) Stats(ctx context.Context) (reply Stats, err error) {
	err = r.Call(ctx, MethodStats, control.None{}, &reply)
	return reply, err
}

// Hold has bare system calls echo in the engine's place, until Release. No
// message may be under way, and links must neither come nor go until then.
func (r Remote) Hold(ctx context.Context) (reply HoldReply, err error) {
	err = r.Call(ctx, MethodHold, control.None{}, &reply)
	return reply, err
}

// Release gives the sockets back to the engine. No message may be under way.
func (r Remote) Release(ctx context.Context) (reply Bare, err error) {
	err = r.Call(ctx, MethodRelease, control.None{}, &reply)
	return reply, err
}
