// Package logictest holds what tests of several packages of logic share.
package logictest

import (
	"context"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/proto/pushpb"
)

// Publisher is a logic.Publisher that remembers what it stored.
type Publisher struct {
	mu      sync.Mutex // guards what follows
	stored  []*pushpb.Push
	answers func(*pushpb.Push) error
}

// Answer lets f say what happens to each push; what it answers nil to is
// stored. A nil f stores everything.
func (p *Publisher) Answer(f func(*pushpb.Push) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = f
}

// Publish implements logic.Publisher.
func (p *Publisher) Publish(_ context.Context, pushes []*pushpb.Push) []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	results := make([]error, len(pushes))
	for i, push := range pushes {
		if p.answers != nil {
			results[i] = p.answers(push)
		}
		if results[i] == nil {
			p.stored = append(p.stored, proto.Clone(push).(*pushpb.Push))
		}
	}
	return results
}

// Ready implements logic.Publisher.
func (p *Publisher) Ready(context.Context) error { return nil }

// Close implements logic.Publisher.
func (p *Publisher) Close(context.Context) error { return nil }

// Take returns what was stored since the last Take.
func (p *Publisher) Take() []*pushpb.Push {
	p.mu.Lock()
	defer p.mu.Unlock()
	stored := p.stored
	p.stored = nil
	return stored
}
