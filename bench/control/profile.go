package control

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"sync"
)

// MethodProfile takes ProfileArgs and answers nothing: Profiler.Profile, in
// children that offer it.
const MethodProfile = "profile"

// ProfileArgs start a CPU profile of the process, or end it.
type ProfileArgs struct {
	// File to write it to. Empty ends the one that runs.
	File string
}

// Profiler writes a CPU profile of this process at a time. The zero value is
// ready; it must not be copied.
type Profiler struct {
	mu   sync.Mutex // guards file
	file *os.File   // of the profile that runs; nil: none does
}

// Profile starts a profile or ends it. Where it is started twice the second
// fails.
func (p *Profiler) Profile(_ context.Context, args ProfileArgs) (none None, err error) {
	if args.File == "" {
		return none, p.End()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		return none, fmt.Errorf("a profile runs already, to %q", p.file.Name())
	}
	f, err := os.Create(args.File)
	if err != nil {
		return none, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return none, err
	}
	p.file = f
	return none, nil
}

// End ends the profile that runs, if one does.
func (p *Profiler) End() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		return nil
	}
	pprof.StopCPUProfile()
	err := p.file.Close()
	p.file = nil
	return err
}
