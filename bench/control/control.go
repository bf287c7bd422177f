// Package control lets a conductor run other processes of its own binary and
// ask them for things: the server under test and the swarm of its clients each
// have a process of their own, so that their CPU time and memory can be told
// apart.
//
// The two sides talk in lines of JSON over the child's standard input and
// output; standard error stays free for its log, of which the conductor shows
// the end when something fails.
//
//	child → conductor   {"hello":"oort bench control 1"}       once, when it serves
//	conductor → child   {"id":1,"method":"dial","args":{…}}    a request
//	child → conductor   {"id":1,"reply":{…}}                   or {"id":1,"error":"…"}
//	conductor → child   {"id":1,"cancel":true}                 nobody waits for it any more
//
// Requests run side by side and are answered in any order. A child ends when
// its input ends, so a conductor that is killed leaves no orphan.
package control

import (
	"context"
	"encoding/json"
	"fmt"
)

// hello is what a child says first; the number is the version of the protocol.
const hello = "oort bench control 1"

// line is all that either side may say; which fields are set says what it is.
type line struct {
	Hello  string          `json:"hello,omitempty"`
	ID     uint64          `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Args   json.RawMessage `json:"args,omitempty"`
	Cancel bool            `json:"cancel,omitempty"`
	Reply  json.RawMessage `json:"reply,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// Method answers one request of a conductor. Its context ends when the
// conductor no longer waits, or the child ends.
type Method func(ctx context.Context, args json.RawMessage) (reply any, err error)

// Methods are what a child can do, by name.
type Methods map[string]Method

// Func makes a Method of a function over typed arguments; what args do not
// mention has its zero value, what it does not know is refused.
func Func[A, R any](f func(ctx context.Context, args A) (R, error)) Method {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var args A
		if err := decodeStrictly(raw, &args); err != nil {
			return nil, fmt.Errorf("arguments: %w", err)
		}
		return f(ctx, args)
	}
}

// None stands for arguments or a reply without content.
type None struct{}

// Error is what a method answered instead of a reply.
type Error struct {
	Child  string // name given to Start
	Method string
	Text   string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %s", e.Child, e.Method, e.Text) }
