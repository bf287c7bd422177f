// Package engines opens an engine by its name.
package engines

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oortim/oort/poller"
)

// ErrUnknown is wrapped by Open's error for a name that is not among Names.
var ErrUnknown = errors.New("poller: unknown engine")

// entry is an engine that this platform has.
type entry struct {
	name string
	open func(poller.Options) (poller.Engine, error)
}

// Names are the engines of this platform, the best first.
func Names() []string {
	names := make([]string, len(engines))
	for i, e := range engines {
		names[i] = e.name
	}
	return names
}

// Open opens the engine of that name; "" means the platform's best.
func Open(name string, o poller.Options) (poller.Engine, error) {
	i := slices.IndexFunc(engines, func(e entry) bool { return name == "" || e.name == name })
	if i < 0 {
		return nil, fmt.Errorf("%w %q; this platform has %s", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	return engines[i].open(o)
}
