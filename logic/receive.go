package logic

import (
	"context"
	"fmt"

	"github.com/oortim/oort/proto/ident"
)

// Message is what a client sent (op 4).
type Message struct {
	Server ident.Server
	Mid    int64
	Key    ident.Key
	Room   ident.Room
	Seq    uint32
	Body   []byte
}

// Receiver takes clients' messages.
type Receiver interface {
	// Receive returns the body of the reply.
	Receive(ctx context.Context, m Message) (reply []byte, err error)
}

// Receive hands a client's message on and returns the body of the reply, empty
// if there is no Receiver. The error wraps ErrUnavailable.
func (s *Service) Receive(ctx context.Context, m Message) ([]byte, error) {
	if s.cfg.Receiver == nil {
		s.metrics.received.WithLabelValues("counted").Inc()
		return nil, nil
	}
	reply, err := s.cfg.Receiver.Receive(ctx, m)
	if err != nil {
		s.metrics.received.WithLabelValues("failed").Inc()
		return nil, fmt.Errorf("%w: receive: %w", ErrUnavailable, err)
	}
	s.metrics.received.WithLabelValues("handed_on").Inc()
	return reply, nil
}
