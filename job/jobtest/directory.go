package jobtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/oortim/oort/job"
)

// Directory is a list that a test changes.
type Directory struct {
	mu     sync.Mutex
	comets []job.Comet // guarded by mu
	away   bool        // guarded by mu
	reads  int         // guarded by mu
}

// Comets implements job.Directory.
func (d *Directory) Comets(context.Context) ([]job.Comet, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	if d.away {
		return nil, errors.New("jobtest: directory is away")
	}
	return slices.Clone(d.comets), nil
}

// Set makes comets the list.
func (d *Directory) Set(comets ...job.Comet) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.comets = comets
}

// Away makes every read fail, or not.
func (d *Directory) Away(away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = away
}

// Reads is how often the list was read.
func (d *Directory) Reads() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reads
}
