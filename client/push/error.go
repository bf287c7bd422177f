package push

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Outcome of a push that was not answered 200.
type Outcome uint8

const (
	Unknown   Outcome = iota // perhaps stored
	NotStored                // surely not; may be later
	Refused                  // surely not, and never will be
)

func (o Outcome) sentinel() error {
	return [...]error{Unknown: ErrUnknown, NotStored: ErrNotStored, Refused: ErrRefused}[o]
}

// Error is what Push and its like return. errors.Is finds ErrRefused,
// ErrNotStored (also for what was refused) or ErrUnknown in it.
type Error struct {
	Outcome Outcome
	Status  int           // HTTP status; 0 if there was no answer
	Reason  string        // the server's typed reason, if it gave one
	Message string        // the server's explanation, if it gave one
	Retry   time.Duration // the server's Retry-After; 0: none
	Err     error         // what went wrong without an answer
}

func (e *Error) Error() string {
	s := e.Outcome.sentinel().Error()
	if e.Status != 0 {
		s += fmt.Sprintf(": HTTP %d", e.Status)
	}
	if e.Reason != "" {
		s += " " + e.Reason
	}
	if e.Message != "" {
		s += fmt.Sprintf(": %.200q", e.Message)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes errors.Is find the sentinel of the outcome, and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Outcome.sentinel()}
	}
	return []error{e.Outcome.sentinel(), e.Err}
}

// unsent: no answer came. What was never written cannot have been stored.
func unsent(err error, wrote bool) error {
	if wrote {
		return &Error{Outcome: Unknown, Err: err}
	}
	return &Error{Outcome: NotStored, Err: err}
}

// refusal turns a status other than 200 into an error: 4xx refuses; 408, 429
// and 503 put off, and all else (504, a proxy's 502) leaves it open.
func (a *answer) refusal() error {
	e := &Error{Outcome: Unknown, Status: a.status}
	switch {
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable,
		a.status == http.StatusRequestTimeout:
		e.Outcome = NotStored
	case a.status >= 400 && a.status < 500:
		e.Outcome = Refused
	}
	if s, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && s > 0 {
		e.Retry = time.Duration(s) * time.Second
	}
	var b struct {
		Error failure `json:"error"`
	}
	if json.Unmarshal(a.body, &b) == nil && b.Error.Reason != "" {
		e.Reason, e.Message = b.Error.Reason, b.Error.Message
	} else {
		e.Message = string(a.body[:min(len(a.body), 200)])
	}
	return e
}

// errCount: a batch is not answered push by push.
var errCount = errors.New("not a result for each push")

// nonsense: the server took the push but its answer cannot be read.
func (a *answer) nonsense(err error) error {
	switch {
	case a.cut != nil:
		err = a.cut
	case err == nil:
		err = errCount
	}
	return &Error{Outcome: Unknown, Status: a.status, Err: fmt.Errorf("answer %.100q: %w", a.body, err)}
}

// failure is an error of /v1 in JSON.
type failure struct{ Reason, Message string }

// outcome of one push of a batch, which has a reason but no status.
func (f *failure) outcome() Outcome {
	switch f.Reason {
	case "unknown":
		return Unknown
	case "not_stored", "overloaded", "unavailable":
		return NotStored
	}
	return Refused
}
