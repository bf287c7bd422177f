package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bytedance/sonic"

	"github.com/oortim/oort/logic"
)

// refusal is an answer that is not 200.
type refusal struct {
	status  int
	reason  string // a word for programs
	message string // a sentence for people
	retry   time.Duration
	allow   string // the method that would do
}

// failure is a refusal's JSON.
type failure struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (f *refusal) write(w http.ResponseWriter) {
	if f.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.retry+time.Second-1)/time.Second)))
	}
	if f.allow != "" {
		w.Header().Set("Allow", f.allow)
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="oort"`)
	}
	writeJSON(w, f.status, struct {
		Error failure `json:"error"`
	}{failure{f.reason, f.message}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := sonic.Marshal(v)
	if err != nil { // our own types always encode; a defect must not look like success
		status, b = http.StatusInternalServerError, []byte(`{"error":{"reason":"internal","message":"encoding failed"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}

// refusals says how each error of the core is answered; the first that
// matches counts.
var refusals = []struct {
	err    error
	status int
	reason string
	retry  time.Duration
}{
	{logic.ErrPushBodySize, http.StatusRequestEntityTooLarge, "body_too_large", 0},
	{logic.ErrPushTargets, http.StatusRequestEntityTooLarge, "too_many_targets", 0},
	{logic.ErrPushTarget, http.StatusBadRequest, "target", 0},
	{logic.ErrPushOp, http.StatusBadRequest, "op", 0},
	{logic.ErrPushID, http.StatusBadRequest, "id", 0},
	{logic.ErrPush, http.StatusBadRequest, "option", 0},
	{logic.ErrOverloaded, http.StatusServiceUnavailable, "overloaded", time.Second},
	{logic.ErrNotStored, http.StatusServiceUnavailable, "not_stored", time.Second},
	{logic.ErrUnknownMessage, http.StatusNotFound, "unknown_message", 0},
	{logic.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", time.Second},
}

// refuse translates an error of the core. What is in no row may have happened.
func refuse(err error) *refusal {
	for _, row := range refusals {
		if errors.Is(err, row.err) {
			return &refusal{status: row.status, reason: row.reason, message: oneLine(err), retry: row.retry}
		}
	}
	return &refusal{status: http.StatusGatewayTimeout, reason: "unknown", message: oneLine(err)}
}

// oneLine makes joined errors fit a message.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
