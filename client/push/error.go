package push

import (
	"encoding/json"
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

// answered turns a status other than 200 into an error: 4xx refuses, 408, 429 and
// 503 put off, and all else (504, a proxy's 502) leaves it open.
func answered(resp *http.Response, body []byte) error {
	e := &Error{Outcome: Unknown, Status: resp.StatusCode}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusServiceUnavailable,
		resp.StatusCode == http.StatusRequestTimeout:
		e.Outcome = NotStored
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		e.Outcome = Refused
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.Retry = time.Duration(s) * time.Second
	}
	var b struct {
		Error struct{ Reason, Message string } `json:"error"`
	}
	if json.Unmarshal(body, &b) == nil && b.Error.Reason != "" {
		e.Reason, e.Message = b.Error.Reason, b.Error.Message
	} else {
		e.Message = string(body[:min(len(body), 200)])
	}
	return e
}
