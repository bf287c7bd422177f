package server

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"sync"

	"github.com/oortim/oort/bench/control"
)

// profiler writes a CPU profile at a time.
type profiler struct {
	mu   sync.Mutex // guards file
	file *os.File   // of the profile that runs; nil: none does
}

func (p *profiler) profile(_ context.Context, args ProfileArgs) (none control.None, err error) {
	if args.File == "" {
		return none, p.end()
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

// end ends the profile that runs, if one does.
func (p *profiler) end() error {
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
