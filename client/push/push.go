// Package push is the Go client of logic's HTTP API for those who push: /v1/push
// with typed errors, and goim's /goim/push for servers that have only that.
//
//	api := push.Client{API: "http://127.0.0.1:3111"}
//	_, err := api.Push(ctx, push.Push{Room: "live://1000", Op: 1000, Body: []byte(`{"test":1}`)})
//	switch {
//	case err == nil:                      // stored: it will be delivered
//	case errors.Is(err, push.ErrUnknown): // push again, with the same ID
//	case errors.Is(err, push.ErrRefused): // never will be; see *push.Error
//	default:                              // push.ErrNotStored: push again, later
//	}
package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Push is one message to one kind of target: exactly one of Keys, Mids, Room
// and All is set.
type Push struct {
	// ID makes a repetition harmless: what was stored under it is not
	// delivered twice. Empty: the server deals one.
	ID   string
	Keys []string
	Mids []int64
	Room string // "type://id"
	All  bool

	Op   int32 // 100 or more
	Body []byte
	// Lane is "system", "gift", "chat" or "ambient". Empty: the server's default.
	Lane string
	// TTL after which nobody is served any more, in whole milliseconds. Zero:
	// the server's default.
	TTL time.Duration
	// Speed of a push to all, in links a second. Zero: as fast as it goes.
	Speed int64
	// Collapse: of the pushes of one room that wait with the same key only the
	// newest is kept.
	Collapse string
}

// Result is what became of a push.
type Result struct {
	ID       string `json:"id"`       // the push's own or the one that the server dealt
	Accepted int    `json:"accepted"` // keys found online, for pushes to keys and mids
	// Absent are the keys of the push that nobody has online, AbsentMids the
	// mids.
	Absent     []string `json:"absent"`
	AbsentMids []int64  `json:"absent_mids"`
	// NotStored and Unknown are keys whose part failed while others' did not.
	NotStored []string `json:"not_stored"`
	Unknown   []string `json:"unknown"`
	// Err of one push of a batch: nil if it is stored, else an *Error.
	Err error `json:"-"`
}

// Client pushes to one logic. Its fields are set once, before use; it may be
// used from many goroutines.
type Client struct {
	API  string       // "http://host:3111"
	Key  string       // bearer key; empty: none
	HTTP *http.Client // nil: http.DefaultClient
}

// wirePush is Push as /v1/push reads it.
type wirePush struct {
	ID         string   `json:"id,omitempty"`
	Keys       []string `json:"keys,omitempty"`
	Mids       []int64  `json:"mids,omitempty"`
	Room       string   `json:"room,omitempty"`
	All        bool     `json:"all,omitempty"`
	Op         int32    `json:"op"`
	Body       *string  `json:"body,omitempty"`
	BodyBase64 []byte   `json:"body_base64,omitempty"`
	Lane       string   `json:"lane,omitempty"`
	TTL        int64    `json:"ttl_ms,omitempty"`
	Speed      int64    `json:"speed,omitempty"`
	Collapse   string   `json:"collapse,omitempty"`
}

func (p *Push) wire() wirePush {
	w := wirePush{ID: p.ID, Keys: p.Keys, Mids: p.Mids, Room: p.Room, All: p.All, Op: p.Op,
		Lane: p.Lane, TTL: p.TTL.Milliseconds(), Speed: p.Speed, Collapse: p.Collapse}
	if utf8.Valid(p.Body) {
		s := string(p.Body)
		w.Body = &s
	} else {
		w.BodyBase64 = p.Body
	}
	return w
}

// Push stores p and returns when the broker has it. See the package comment
// for what the errors ask of the caller; each is an *Error. With ErrUnknown
// the Result may tell which keys it is about.
func (c *Client) Push(ctx context.Context, p Push) (Result, error) {
	body, err := json.Marshal(p.wire())
	if err != nil {
		return Result{}, &Error{Outcome: Refused, Err: err}
	}
	a, err := c.post(ctx, "/v1/push", "application/json", body)
	if err != nil {
		return Result{}, err
	}
	var r Result
	err = json.Unmarshal(a.body, &r)
	if a.status != http.StatusOK {
		return r, a.refusal()
	}
	if err != nil {
		return r, a.nonsense(err)
	}
	return r, nil
}

// PushBatch stores several pushes at once, and more cheaply than one by one.
// The results belong to the pushes, in order, each with its own Err. The error
// is that of the request as a whole; then there are no results.
func (c *Client) PushBatch(ctx context.Context, pushes []Push) ([]Result, error) {
	wire := make([]wirePush, len(pushes))
	for i := range pushes {
		wire[i] = pushes[i].wire()
	}
	body, err := json.Marshal(wire)
	if err != nil {
		return nil, &Error{Outcome: Refused, Err: err}
	}
	a, err := c.post(ctx, "/v1/push", "application/json", body)
	if err != nil {
		return nil, err
	}
	var reply struct{ Results []batchResult }
	err = json.Unmarshal(a.body, &reply)
	switch {
	case err == nil && len(reply.Results) == len(pushes):
	case a.status != http.StatusOK && a.status != http.StatusMultiStatus:
		return nil, a.refusal()
	default:
		return nil, a.nonsense(err)
	}
	results := make([]Result, len(pushes))
	for i, r := range reply.Results {
		results[i] = r.Result
		if r.Error != nil {
			results[i].Err = &Error{Outcome: r.Error.outcome(), Reason: r.Error.Reason, Message: r.Error.Message}
		}
	}
	return results, nil
}

type batchResult struct {
	Result
	Error *failure `json:"error"`
}

// answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    error // why body is not whole
}

func (c *Client) post(ctx context.Context, path, contentType string, body []byte) (answer, error) {
	return c.call(ctx, http.MethodPost, path, contentType, body)
}

// call fails only where no answer came.
func (c *Client) call(ctx context.Context, method, path, contentType string, body []byte) (answer, error) {
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { wrote.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.API, "/")+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, &Error{Outcome: Refused, Err: err}
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	hc := c.HTTP
	if hc == nil {
		hc = http.DefaultClient
	}
	resp, err := hc.Do(req)
	if err != nil {
		return answer{}, unsent(err, wrote.Load())
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return answer{resp.StatusCode, resp.Header, reply, err}, nil
}

// Sentinels for errors.Is.
var (
	// ErrNotStored: surely not stored; pushing again cannot double.
	ErrNotStored = errors.New("push: not stored")
	// ErrRefused: not stored, and the same push never will be.
	ErrRefused = fmt.Errorf("%w: refused", ErrNotStored)
	// ErrUnknown: perhaps stored. To push again without doubling needs an ID.
	ErrUnknown = errors.New("push: unknown whether stored")
)
