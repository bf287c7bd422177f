package swarm

import (
	"context"
	"io"

	"github.com/oortim/oort/bench/control"
)

// Serve lets a conductor ask s for things, until in ends or ctx is over.
func Serve(ctx context.Context, in io.Reader, out io.Writer, s *Swarm) error {
	return control.Serve(ctx, in, out, control.Methods{
		MethodDial:   control.Func(s.Dial),
		MethodStatus: control.Func(answer(s.Status)),
		MethodReset:  control.Func(obey(s.Reset)),
		MethodCounts: control.Func(answer(s.Counts)),
		MethodBeat:   control.Func(obey(s.Beat)),
		MethodEcho:   control.Func(obey(s.Echo)),
		MethodStall:  control.Func(func(_ context.Context, a StallArgs) (StallReply, error) { return s.Stall(a), nil }),
		MethodResume: control.Func(obey(func(control.None) { s.Resume() })),
		MethodChurn:  control.Func(obey(s.Churn)),
		MethodClose:  control.Func(obey(s.Close)),
	})
}

// answer makes a method of what only answers.
func answer[R any](f func() R) func(context.Context, control.None) (R, error) {
	return func(context.Context, control.None) (R, error) { return f(), nil }
}

// obey makes a method of what only takes.
func obey[A any](f func(A)) func(context.Context, A) (control.None, error) {
	return func(_ context.Context, a A) (control.None, error) {
		f(a)
		return control.None{}, nil
	}
}
