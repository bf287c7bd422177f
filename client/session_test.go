package client_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oortim/oort/client"
	"github.com/oortim/oort/proto/frame"
)

func quick() client.Backoff { return client.Backoff{Base: time.Millisecond, Max: 2 * time.Millisecond} }

var errEnough = errors.New("enough")

func TestBackoff(t *testing.T) {
	low := func() float64 { return 0 }
	b := client.Backoff{Base: 100 * time.Millisecond, Max: time.Second, Factor: 2, Rand: low}
	for n, want := range []time.Duration{50, 100, 200, 400, 500, 500} {
		if got := b.Wait(n); got != want*time.Millisecond {
			t.Errorf("Wait(%d) = %v, want %vms", n, got, int(want))
		}
	}
	b.Rand = func() float64 { return 0.999999 }
	if got := b.Wait(1 << 30); got < 999*time.Millisecond || got > time.Second {
		t.Errorf("most = %v", got)
	}
	if got := (client.Backoff{Rand: low}).Wait(0); got != 250*time.Millisecond {
		t.Errorf("zero value: %v", got)
	}
}

// A session comes back after an end with and without a reason, in the room
// that it changed to, and takes the server's advice where there is some.
func TestSessionComesBack(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		rooms := make(chan any, 10)
		var links atomic.Int32
		var changing sync.WaitGroup
		defer changing.Wait()
		addr := serve(t, scheme, func(p *peer) {
			n := links.Add(1)
			p.welcome()
			rooms <- p.auth["room_id"]
			switch n {
			case 1:
				f, _ := p.recv()
				p.send(mk(f.Op+1, f.Seq, ""))
				p.send(mk(1000, 0, "one")) // and an end without a word
			case 2:
				p.send(mk(frame.OpDisconnect, 0, `{"code":3005,"reason":"draining","retry_ms":3}`))
				p.recv()
			default:
				p.send(mk(1000, 0, "three"))
				p.echo()
			}
		})
		var lost []time.Duration
		var reasons []error
		s := &client.Session{Options: client.Options{Addr: addr, Room: "live://1"}, Backoff: quick(),
			OnLost: func(err error, wait time.Duration) { lost = append(lost, wait); reasons = append(reasons, err) }}
		s.OnConnect = func(c *client.Client) {
			if c != s.Client() {
				t.Error("OnConnect of another link")
			}
			if s.Room() == "live://1" {
				changing.Go(func() {
					if err := s.ChangeRoom(within(t), "live://2"); err != nil {
						t.Error(err)
					}
				})
			}
		}
		var got []string
		err := s.Run(within(t), func(m client.Message) error {
			if got = append(got, string(m.Body)); len(got) == 2 {
				return errEnough
			}
			return nil
		})
		if err != errEnough || got[0] != "one" || got[1] != "three" {
			t.Fatalf("got %q, %v", got, err)
		}
		if a, b, c := <-rooms, <-rooms, <-rooms; a != "live://1" || b != "live://2" || c != "live://2" {
			t.Errorf("rooms %v %v %v", a, b, c)
		}
		if len(lost) != 2 || !errors.Is(reasons[0], client.ErrLost) || lost[1] != 3*time.Millisecond {
			t.Errorf("lost %v %v", lost, reasons)
		}
		if s.Client() != nil {
			t.Error("a link is left")
		}
	})
}

func TestSessionGivesUp(t *testing.T) {
	for _, reason := range []string{
		`{"code":3003,"reason":"auth_denied"}`, `{"code":3004,"reason":"replaced","retry_ms":-1}`, `{"code":3999,"reason":"new","retry_ms":-1}`,
	} {
		addr := serve(t, "tcp", func(p *peer) {
			p.accept()
			p.send(mk(frame.OpDisconnect, 0, reason))
			p.recv()
		})
		told := false
		s := &client.Session{Options: client.Options{Addr: addr}, Backoff: quick(),
			OnLost: func(_ error, wait time.Duration) { told = wait < 0 }}
		var d *client.DisconnectError
		if err := s.Run(within(t), nil); !errors.As(err, &d) || !told {
			t.Errorf("%s: %v, told %v", reason, err, told)
		}
	}
	s := &client.Session{Options: client.Options{Addr: "nonsense://"}}
	if err := s.Run(within(t), nil); !errors.Is(err, client.ErrAddr) {
		t.Errorf("bad address: %v", err)
	}
}

// Tries go through the addresses in turn.
func TestSessionNodes(t *testing.T) {
	good := serve(t, "tcp", func(p *peer) {
		p.welcome()
		p.send(mk(1000, 0, "here"))
		p.echo()
	})
	dead := "tcp://" + closedPort(t)
	asked := 0
	s := &client.Session{Backoff: quick(), Addrs: func(context.Context) ([]string, error) {
		switch asked++; asked {
		case 1:
			return nil, errors.New("logic is away")
		case 2:
			return nil, nil
		}
		return []string{dead, dead, good}, nil
	}}
	var first error
	s.OnLost = func(err error, _ time.Duration) {
		if asked == 2 {
			first = err
		}
	}
	if err := s.Run(within(t), func(client.Message) error { return errEnough }); err != errEnough {
		t.Fatal(err)
	}
	if !errors.Is(first, client.ErrNoNodes) || asked < 3 {
		t.Errorf("asked %d times, no nodes: %v", asked, first)
	}
}

func TestSessionStops(t *testing.T) {
	ctx, cancel := context.WithCancel(within(t))
	s := &client.Session{Options: client.Options{Addr: "tcp://" + closedPort(t)}, Backoff: client.Backoff{Base: time.Hour, Max: time.Hour},
		OnLost: func(error, time.Duration) { cancel() }}
	if err := s.Run(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("while waiting: %v", err)
	}
	ctx, cancel = context.WithCancel(within(t))
	s = &client.Session{Options: client.Options{Addr: serve(t, "tcp", func(p *peer) { p.welcome(); p.echo() })},
		OnConnect: func(*client.Client) { cancel() }}
	if err := s.Run(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("while connected: %v", err)
	}
}

// A room that is changed to while a link is being dialled is not lost: that
// link asked for the one before.
func TestSessionChangesRoomWhileItDials(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		asked, changed := make(chan struct{}, 1), make(chan struct{})
		addr := serve(t, scheme, func(p *peer) {
			if !p.accept() {
				return
			}
			if p.auth["room_id"] == "live://1" {
				asked <- struct{}{}
				<-changed
			}
			p.send(mk(frame.OpAuthReply, p.seq, ""))
			p.send(mk(1000, 0, p.auth["room_id"].(string)))
			p.echo()
		})
		s := &client.Session{Options: client.Options{Addr: addr, Room: "live://1"}, Backoff: quick()}
		links := 0
		s.OnConnect = func(*client.Client) { links++ }
		go func() {
			defer close(changed)
			<-asked
			if err := s.ChangeRoom(within(t), "live://2"); err != nil {
				t.Error(err)
			}
		}()
		ctx, cancel := context.WithTimeout(within(t), 10*time.Second)
		defer cancel()
		err := s.Run(ctx, func(m client.Message) error {
			if string(m.Body) == "live://2" {
				return errEnough
			}
			return nil
		})
		if err != errEnough || links != 1 {
			t.Errorf("%v after %d links; want the new room in the first that is told of", err, links)
		}
	})
}
