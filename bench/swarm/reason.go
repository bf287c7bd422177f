package swarm

import (
	"errors"
	"syscall"
)

// ended is why a link ends, in words that stand in counts.
type ended string

func (e ended) Error() string { return string(e) }

// manyReasons is how many a loop tells apart: a server that talks nonsense has
// a reason of its own for each link.
const manyReasons = 32

// count counts one more of why.
func count(counts map[string]int64, why string) {
	if _, known := counts[why]; !known && len(counts) >= manyReasons {
		why = "other"
	}
	counts[why]++
}

// reasonOf is why in a few words, so that equal reasons are counted together.
func reasonOf(err error) string {
	var e ended
	var errno syscall.Errno
	switch {
	case errors.As(err, &e):
		return string(e)
	case errors.Is(err, errProtocol):
		return err.Error()
	case !errors.As(err, &errno):
		return err.Error()
	}
	switch errno {
	case syscall.ECONNREFUSED:
		return "refused"
	case syscall.ECONNRESET, syscall.EPIPE:
		return "reset by server"
	case syscall.ETIMEDOUT:
		return "timed out"
	case syscall.EADDRNOTAVAIL, syscall.EADDRINUSE:
		return "no free port"
	case syscall.EMFILE, syscall.ENFILE:
		return "no free descriptor"
	}
	return errno.Error()
}
