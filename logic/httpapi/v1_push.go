package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/bytedance/sonic"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// strict refuses fields that nobody knows: a misspelt ttl_ms must not be taken
// for none.
var strict = sonic.Config{CopyString: true, ValidateString: true, DisallowUnknownFields: true}.Froze()

// pushJSON is a push as /v1 takes it: exactly one of keys, mids, room and all,
// and at most one of body and body_base64.
type pushJSON struct {
	ID         string   `json:"id"`
	Keys       []string `json:"keys"`
	Mids       []int64  `json:"mids"`
	Room       string   `json:"room"`
	All        bool     `json:"all"`
	Op         int32    `json:"op"`
	Body       *string  `json:"body"`
	BodyBase64 *[]byte  `json:"body_base64"`
	Lane       string   `json:"lane"`
	TTL        int64    `json:"ttl_ms"`
	Speed      int64    `json:"speed"`
	Collapse   string   `json:"collapse"`
}

// resultJSON is what became of a push.
type resultJSON struct {
	ID         string      `json:"id"`
	Accepted   int         `json:"accepted"`
	Absent     []ident.Key `json:"absent,omitempty"`
	AbsentMids []int64     `json:"absent_mids,omitempty"`
	// NotStored and Unknown are keys whose record failed while others did not.
	NotStored []ident.Key `json:"not_stored,omitempty"`
	Unknown   []ident.Key `json:"unknown,omitempty"`
	Error     *failure    `json:"error,omitempty"`
}

// lanes by their names.
var lanes = map[string]pushpb.Lane{
	"":        pushpb.Lane_LANE_CHAT,
	"system":  pushpb.Lane_LANE_SYSTEM,
	"gift":    pushpb.Lane_LANE_GIFT,
	"chat":    pushpb.Lane_LANE_CHAT,
	"ambient": pushpb.Lane_LANE_AMBIENT,
}

// maxTTL is the longest time to live that can be asked for.
const maxTTL = 7 * 24 * time.Hour

// push serves POST /v1/push: one push, or a list of them.
func (a *api) push(w http.ResponseWriter, r *http.Request) {
	body, no := a.readJSON(w, r)
	if no != nil {
		no.write(w)
		return
	}
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		a.pushBatch(w, r, body)
		return
	}
	a.pushOne(w, r, body)
}

func (a *api) pushOne(w http.ResponseWriter, r *http.Request, body []byte) {
	var in pushJSON
	no := decode(body, &in)
	if no != nil {
		no.write(w)
		return
	}
	p, no := in.push()
	if no != nil {
		no.write(w)
		return
	}
	answerPush(w, a.svc.Push(r.Context(), []logic.Push{p})[0])
}

// answerPush answers for a single push. One that failed as a whole is an error
// like any other; one that is stored in part tells for whom.
func answerPush(w http.ResponseWriter, result logic.PushResult) {
	if result.Err == nil {
		writeJSON(w, http.StatusOK, outcome(result))
		return
	}
	no := refuse(result.Err)
	if no.status != http.StatusGatewayTimeout {
		no.write(w)
		return
	}
	writeJSON(w, no.status, outcome(result))
}

func (a *api) pushBatch(w http.ResponseWriter, r *http.Request, body []byte) {
	var in []pushJSON
	if no := decode(body, &in); no != nil {
		no.write(w)
		return
	}
	if len(in) == 0 || len(in) > a.opt.Batch {
		(&refusal{status: http.StatusRequestEntityTooLarge, reason: "batch", message: fmt.Sprintf("1 to %d pushes at once", a.opt.Batch)}).write(w)
		return
	}
	results, status := a.pushAll(r, in)
	writeJSON(w, status, struct {
		Results []resultJSON `json:"results"`
	}{results})
}

// pushAll stores the good ones of a batch and returns a result for each, and
// the status of all: their own if they agree, 504 if any may be stored.
func (a *api) pushAll(r *http.Request, in []pushJSON) ([]resultJSON, int) {
	results := make([]resultJSON, len(in))
	statuses := make([]int, len(in))
	var pushes []logic.Push
	var at []int
	for i := range in {
		p, no := in[i].push()
		if no != nil {
			results[i] = resultJSON{ID: in[i].ID, Error: &failure{no.reason, no.message}}
			statuses[i] = no.status
			continue
		}
		pushes, at = append(pushes, p), append(at, i)
	}
	for i, result := range a.svc.Push(r.Context(), pushes) {
		results[at[i]], statuses[at[i]] = outcome(result), http.StatusOK
		if result.Err != nil {
			statuses[at[i]] = refuse(result.Err).status
		}
	}
	return results, together(statuses)
}

func together(statuses []int) int {
	all := statuses[0]
	for _, status := range statuses {
		if status == http.StatusGatewayTimeout {
			return status
		}
		if status != all {
			all = http.StatusMultiStatus
		}
	}
	return all
}

func outcome(r logic.PushResult) resultJSON {
	out := resultJSON{
		ID: r.ID, Accepted: r.Accepted, Absent: r.AbsentKeys, AbsentMids: r.AbsentMids,
		NotStored: r.NotStored, Unknown: r.Unknown,
	}
	if r.Err != nil {
		no := refuse(r.Err)
		out.Error = &failure{no.reason, no.message}
	}
	return out
}

// push translates; the core checks the rest.
func (in *pushJSON) push() (p logic.Push, no *refusal) {
	bad := func(reason, message string) (logic.Push, *refusal) {
		return logic.Push{}, &refusal{status: http.StatusBadRequest, reason: reason, message: message}
	}
	lane, ok := lanes[in.Lane]
	if !ok {
		return bad("option", fmt.Sprintf("lane %.20q is not system, gift, chat or ambient", in.Lane))
	}
	ttl := time.Duration(in.TTL) * time.Millisecond
	if in.TTL < 0 || in.TTL > maxTTL.Milliseconds() {
		return bad("option", fmt.Sprintf("ttl_ms is not 0 to %d", maxTTL.Milliseconds()))
	}
	p = logic.Push{
		ID: in.ID, Mids: in.Mids, Room: ident.Room(in.Room), All: in.All, Op: in.Op,
		Lane: lane, TTL: ttl, Speed: in.Speed, Collapse: in.Collapse,
	}
	for _, key := range in.Keys {
		p.Keys = append(p.Keys, ident.Key(key))
	}
	switch {
	case in.Body != nil && in.BodyBase64 != nil:
		return bad("body", "body and body_base64 exclude each other")
	case in.Body != nil:
		p.Body = []byte(*in.Body)
	case in.BodyBase64 != nil:
		p.Body = *in.BodyBase64
	}
	return p, nil
}

// readJSON reads a request's body within the limits.
func (a *api) readJSON(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, reason: "media_type", message: "send application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.opt.RequestBytes))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, reason: "request_too_large", message: fmt.Sprintf("a request has at most %d bytes", large.Limit)}
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, reason: "json", message: "the body was cut off"}
	}
	return body, nil
}

// decode reads strict JSON. The decoder's own text may be long and quotes the
// body, so it is cut.
func decode(body []byte, v any) *refusal {
	if err := strict.Unmarshal(body, v); err != nil {
		message := err.Error()
		if len(message) > 200 {
			message = message[:200]
		}
		return &refusal{status: http.StatusBadRequest, reason: "json", message: message}
	}
	return nil
}
