package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Serve answers requests from in on out until in ends, which is the conductor's
// way to say goodbye, or ctx is over. Then it ends the contexts of the methods
// that run and returns when they have. Nothing else may write to out.
func Serve(ctx context.Context, in io.Reader, out io.Writer, methods Methods) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &server{methods: methods, out: json.NewEncoder(out), running: map[uint64]context.CancelFunc{}}
	defer s.wait.Wait()
	defer cancel()
	if err := s.say(line{Hello: hello}); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	// A read of standard input cannot be broken off, so it has a goroutine,
	// which stays behind if ctx ends first.
	lines := make(chan line)
	over := make(chan error, 1)
	go func() { over <- read(ctx, in, lines) }()
	for {
		select {
		case l := <-lines:
			s.take(ctx, l)
		case err := <-over:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

func read(ctx context.Context, in io.Reader, lines chan<- line) error {
	for dec := json.NewDecoder(in); ; {
		var l line
		switch err := dec.Decode(&l); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("control: request: %w", err)
		}
		select {
		case lines <- l:
		case <-ctx.Done():
			return nil
		}
	}
}

// server is the state of one Serve.
type server struct {
	methods Methods
	wait    sync.WaitGroup

	mu      sync.Mutex // guards out and running
	out     *json.Encoder
	running map[uint64]context.CancelFunc
}

func (s *server) say(l line) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Encode(l)
}

// take starts what l asks for.
func (s *server) take(ctx context.Context, l line) {
	if l.Cancel {
		s.cancel(l.ID)
		return
	}
	method, ok := s.methods[l.Method]
	if !ok {
		_ = s.say(line{ID: l.ID, Error: fmt.Sprintf("no method %q", l.Method)})
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.running[l.ID] = cancel
	s.mu.Unlock()
	s.wait.Go(func() {
		defer s.cancel(l.ID)
		// If nobody reads the answer any more, the input ends as well.
		_ = s.say(answer(ctx, l, method))
	})
}

func (s *server) cancel(id uint64) {
	s.mu.Lock()
	cancel := s.running[id]
	delete(s.running, id)
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

func answer(ctx context.Context, l line, method Method) line {
	reply, err := method(ctx, l.Args)
	if err != nil {
		return line{ID: l.ID, Error: err.Error()}
	}
	raw, err := json.Marshal(reply)
	if err != nil {
		return line{ID: l.ID, Error: "reply: " + err.Error()}
	}
	return line{ID: l.ID, Reply: raw}
}

// decodeStrictly is json.Unmarshal that refuses unknown fields: the two sides
// are one binary, so a field that only one knows is a mistake.
func decodeStrictly(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}
