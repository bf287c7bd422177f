package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/redis/rueidis"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/oortim/oort/deploy/ops"
)

// startTime bounds the first contact with what a process needs: as long as a
// Redis may load its data, or a broker elect its leaders, before somebody
// should look.
const startTime = 30 * time.Second

const (
	attemptTime = 10 * time.Second // for one try
	firstPause  = 200 * time.Millisecond
	longPause   = 5 * time.Second
)

// reach makes the first contact with what: a store, a broker. What passes by
// itself is tried again until startTime is over, and the log says so; all else
// is told at once, since a wrong address or password does not mend. Told to stop
// meanwhile, it returns ops.ErrStopped.
func (b *base) reach(whole context.Context, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(whole, b.patience)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := attempt(ctx, try)
		switch {
		case err == nil:
			return nil
		case whole.Err() != nil:
			return b.stopped(what, err)
		case !passes(err):
			return err
		}
		b.log.Warn("not reached yet, trying again", "what", what, "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done(): // also when whole is
			if whole.Err() != nil {
				return b.stopped(what, err)
			}
			return fmt.Errorf("%w (%s was tried for %v)", err, what, b.patience)
		}
	}
}

// stopped: the process was told to stop before it had reached what.
func (b *base) stopped(what string, err error) error {
	b.log.Info("stopping", "not reached", what)
	return fmt.Errorf("%w, while trying to reach %s: %w", ops.ErrStopped, what, err)
}

func attempt(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return try(ctx)
}

// passes says whether a first contact that failed so may succeed by itself:
//
//   - the connection was made and broke, as one to a server that restarts, or
//     that a proxy holds for one which does;
//   - nobody answered in time, for a server may be paused or flooded;
//   - Redis or Kafka answered that it is not ready.
//
// A connection that is refused is not among them: nobody listens, most likely
// because the address is wrong.
func passes(err error) bool {
	for _, broken := range []error{syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded} {
		if errors.Is(err, broken) {
			return true
		}
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		return true
	}
	var said *rueidis.RedisError
	if errors.As(err, &said) {
		return starting(said)
	}
	return kerr.IsRetriable(err)
}

// starting: what a Redis says that loads its data, waits for its master, is held
// up by a script, or is in a cluster that has not come together.
func starting(said *rueidis.RedisError) bool {
	word, _, _ := strings.Cut(said.Error(), " ")
	switch word {
	case "LOADING", "MASTERDOWN", "BUSY", "CLUSTERDOWN", "TRYAGAIN":
		return true
	}
	return false
}
