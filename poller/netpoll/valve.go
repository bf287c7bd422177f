//go:build linux

package netpoll

import (
	"errors"
	"reflect"
	"sync/atomic"

	lib "github.com/cloudwego/netpoll"
)

// errLayout would mean that another version of the library is linked.
var errLayout = errors.New("poller: this version of netpoll has other fields than v0.7.2")

// valve keeps the library from reading a link. The library itself reads for
// ever, whatever waits in its buffer, so a peer that sends to a paused link, or
// faster than the handler takes it, would fill the memory; while the valve is
// shut, TCP holds the peer back. The library has no call for that. It has one
// that adds a descriptor to its poll and one that takes it out, both exported,
// of objects that only unexported fields lead to: these are what is looked up
// here.
//
// A valve belongs to the link's onRequest: while that runs, the library frees
// none of this.
type valve struct {
	op   *lib.FDOperator
	poll lib.Poll
	left *int32 // not 0 when the library has taken the descriptor out for good; atomic
	shut bool
}

// attach finds what v works on.
func (v *valve) attach(conn lib.Connection) error {
	field := reflect.ValueOf(conn).Elem().FieldByName("operator")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*lib.FDOperator]() {
		return errLayout
	}
	op := (*lib.FDOperator)(field.UnsafePointer())
	poll := reflect.ValueOf(op).Elem().FieldByName("poll")
	left := reflect.ValueOf(op).Elem().FieldByName("detached")
	if !poll.IsValid() || poll.Type() != reflect.TypeFor[lib.Poll]() || !left.IsValid() || left.Kind() != reflect.Int32 {
		return errLayout
	}
	v.op = op
	v.poll = *(*lib.Poll)(poll.Addr().UnsafePointer())
	v.left = (*int32)(left.Addr().UnsafePointer())
	return nil
}

// close shuts v. One read that is under way may still come.
func (v *valve) close(conn lib.Connection) error {
	if v.shut {
		return nil
	}
	if v.op == nil {
		if err := v.attach(conn); err != nil {
			return err
		}
	}
	v.shut = true
	_ = v.poll.Control(v.op, lib.PollDetach) // fails if the library was first
	return nil
}

// open lets the library read again, unless it has taken the descriptor out, as
// it does when it saw the peer's end in that last read. It counts itself out
// before it takes the descriptor out: so either it does that after our adding,
// or the count is seen here.
func (v *valve) open() error {
	if !v.shut {
		return nil
	}
	v.shut = false
	if atomic.LoadInt32(v.left) != 0 {
		return nil
	}
	err := v.poll.Control(v.op, lib.PollReadable)
	if atomic.LoadInt32(v.left) != 0 {
		_ = v.poll.Control(v.op, lib.PollDetach)
	}
	return err
}
