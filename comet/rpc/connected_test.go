package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/logicpb"
)

// What a token says of rooms reaches the comet as it is; an answer that
// contradicts itself lets nobody in.
func TestRoomsPermitted(t *testing.T) {
	for _, tc := range []struct {
		limited  bool
		patterns []string
		want     ident.Permission
		status   comet.Status
	}{
		{false, nil, nil, comet.StatusOK},
		{false, []string{"live://*"}, nil, comet.StatusOK},
		{true, []string{"live://*", "chat://1"}, ident.Permission{"live://*", "chat://1"}, comet.StatusOK},
		{true, []string{"chat://1"}, ident.Permission{"chat://1"}, comet.StatusUnavailable}, // its room is live://1
		{true, nil, ident.Permission{}, comet.StatusUnavailable},
		{true, []string{"live://*", "no pattern"}, nil, comet.StatusUnavailable},
	} {
		got := connected(&logicpb.Connected{Key: "k", Room: "live://1", RoomsLimited: tc.limited, RoomPatterns: tc.patterns})
		if got.Status != tc.status || !slices.Equal(got.Rooms, tc.want) || (got.Rooms == nil) != (tc.want == nil) {
			t.Errorf("%v %q: status %v, rooms %q", tc.limited, tc.patterns, got.Status, got.Rooms)
		}
	}
	if got := connected(&logicpb.Connected{Key: "k", RoomsLimited: true}); got.Status != comet.StatusOK || got.Rooms == nil {
		t.Errorf("in no room, and none permitted: %+v", got)
	}
}

// A login whose answer comes when its link has been told that logic is away is
// given back, with what the answer says of it; a refusal is not, and what was
// waited for stays.
func TestLateLoginIsGivenBack(t *testing.T) {
	withLogic(t, func(t *testing.T, s *logicServer, l *Logic, ctx context.Context) {
		late := make(chan struct{})
		s.late = late
		s.distort = func(r *logicpb.SessionResults) {
			for _, c := range r.Connected {
				if c.Link == 6 {
					c.Status = logicpb.Status_STATUS_DENIED
				}
			}
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := l.Sessions(short, []comet.Connect{{Link: 5}, {Link: 6}}, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		waited := make(chan error, 1)
		go func() {
			got, err := l.Sessions(ctx, []comet.Connect{{Link: 7}}, nil)
			if err == nil && (got[0].Status != comet.StatusOK || got[0].Key != "k7") {
				err = fmt.Errorf("got %+v", got)
			}
			waited <- err
		}()
		close(late)
		if err := <-waited; err != nil {
			t.Error(err)
		}
		for len(s.said()) == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if _, err := l.Sessions(ctx, []comet.Connect{{Link: 8}}, nil); err != nil { // behind all that was under way
			t.Error(err)
		}
		said := s.said()
		if len(said) != 1 || said[0].Link != 5 || said[0].Key != "k5" || said[0].Mid != 7 || said[0].Epoch != 5 {
			t.Errorf("disconnects %v, want that of link 5 only", said)
		}
	})
}

// said is which disconnects came.
func (s *logicServer) said() []*logicpb.Disconnect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.goodbyes)
}
