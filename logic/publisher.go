package logic

import (
	"context"
	"errors"
	"fmt"

	"github.com/oortim/oort/proto/pushpb"
)

// Publisher stores pushes so that a job will deliver them.
// Package logic/publish implements it with Kafka.
type Publisher interface {
	// Publish stores all of pushes or says which not: results[i] belongs to
	// pushes[i], and there are as many. A nil result means that the push is
	// stored. A result that wraps ErrNotStored means that it surely is not.
	// Any other error means that nobody knows.
	//
	// Publish obeys ctx's deadline, but not its cancellation by a caller that
	// goes away: a record whose caller hung up may be stored all the same.
	// The pushes belong to the publisher until it returns and are not changed.
	Publish(ctx context.Context, pushes []*pushpb.Push) (results []error)
	// Ready returns nil if a push would probably be stored now.
	Ready(ctx context.Context) error
	// Close waits for what is under way, at most as long as ctx allows.
	Close(ctx context.Context) error
}

// Outcomes of a push that was not stored.
var (
	// ErrNotStored: the push is surely not stored; the caller may try again.
	ErrNotStored = errors.New("push not stored")
	// ErrOverloaded wraps ErrNotStored: too much is waiting already. The HTTP
	// API answers 503 with Retry-After.
	ErrOverloaded = fmt.Errorf("%w: too much is waiting", ErrNotStored)
)
