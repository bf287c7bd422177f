// Package engines opens an engine by a spec: its name, and options of its own
// joined to that by plus, as in "epoll" or "epoll+edge+private". Options of an
// engine are not in poller.Options because they change how it works and not
// what it does.
//
// To add an engine, add its line to the list of the platforms that have it
// (engines_linux.go, engines_bsd.go).
package engines

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oortim/oort/poller"
)

// Errors that Check and Open wrap.
var (
	// ErrUnknown: the spec's name is not in the platform's list.
	ErrUnknown = errors.New("poller: unknown engine")
	// ErrUnknownOption: the engine does not know an option of the spec.
	ErrUnknownOption = errors.New("poller: unknown engine option")
	// ErrMissing: this machine cannot run the engine. The engine's own reason
	// is wrapped too.
	ErrMissing = errors.New("poller: this machine lacks the engine")
)

// entry is an engine that this platform has.
type entry struct {
	name string
	// open is given the options of the spec, each of which is one of knows.
	open func(o poller.Options, options []string) (poller.Engine, error)
	// knows are the options that open understands, in the order in which
	// specs are written. Nil means none.
	knows []string
	// variants are the sets of options, joined by plus, that Specs lists
	// besides the bare name.
	variants []string
	// missing says why this machine cannot run the engine. Nil, or an error
	// that is nil, means that it can.
	missing func() error
}

// plain makes an entry of an engine without options, which every machine of
// the platform runs.
func plain(name string, open func(poller.Options) (poller.Engine, error)) entry {
	return entry{name: name, open: func(o poller.Options, _ []string) (poller.Engine, error) { return open(o) }}
}

// Names are the engines that this machine runs, the best first.
func Names() []string { return engines.names() }

// Specs are the specs worth testing: of each engine that this machine runs
// the bare name and what options change much.
func Specs() []string { return engines.specs() }

// Check returns the error that Open returns for the spec itself, or nil.
func Check(spec string) error {
	_, _, err := engines.find(spec)
	return err
}

// Open opens the engine that spec names. A name of "" means the best that this
// machine runs.
func Open(spec string, o poller.Options) (poller.Engine, error) { return engines.open(spec, o) }

// list is what a platform has, the best first.
type list []entry

func (l list) names() (names []string) {
	for _, e := range l {
		if e.lack() == nil {
			names = append(names, e.name)
		}
	}
	return names
}

func (l list) specs() (specs []string) {
	for _, e := range l {
		if e.lack() != nil {
			continue
		}
		specs = append(specs, e.name)
		for _, v := range e.variants {
			specs = append(specs, e.name+"+"+v)
		}
	}
	return specs
}

func (l list) open(spec string, o poller.Options) (poller.Engine, error) {
	e, options, err := l.find(spec)
	if err != nil {
		return nil, err
	}
	return e.open(o, options)
}

// find returns the entry of spec and the options that it asks for.
func (l list) find(spec string) (entry, []string, error) {
	parts := strings.Split(spec, "+")
	name, options := parts[0], parts[1:]
	i := slices.IndexFunc(l, func(e entry) bool { return e.name == name || name == "" && e.lack() == nil })
	if i < 0 {
		return entry{}, nil, fmt.Errorf("%w %q; this machine has %s", ErrUnknown, name, strings.Join(l.names(), ", "))
	}
	e := l[i]
	if err := e.lack(); err != nil {
		return entry{}, nil, fmt.Errorf("%w %q: %w", ErrMissing, name, err)
	}
	for _, option := range options {
		if !slices.Contains(e.knows, option) {
			return entry{}, nil, fmt.Errorf("%w %q; %s", ErrUnknownOption, option, e.offers())
		}
	}
	return e, options, nil
}

// lack is why this machine cannot run e.
func (e entry) lack() error {
	if e.missing == nil {
		return nil
	}
	return e.missing()
}

// offers says in words which options e has.
func (e entry) offers() string {
	if len(e.knows) == 0 {
		return fmt.Sprintf("%s has none", e.name)
	}
	return fmt.Sprintf("%s has %s", e.name, strings.Join(e.knows, ", "))
}
