package httpapi

import (
	"net/http"
	"time"

	"github.com/oortim/oort/proto/ident"
)

// askedJSON says how complete an answer is.
type askedJSON struct {
	Comets int            `json:"comets"`
	Silent []ident.Server `json:"silent,omitempty"` // live, and did not answer
}

// fateJSON is what became of a message, in links.
type fateJSON struct {
	ID        string            `json:"id"`
	Delivered uint64            `json:"delivered"`
	Dropped   map[string]uint64 `json:"dropped"` // by reason
	SlowestMS float64           `json:"slowest_ms"`
	askedJSON
}

// delivered is the outcome that is no drop.
const delivered = "delivered"

// message serves GET and DELETE /v1/messages/ID.
func (a *api) message(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		a.fate(w, r, id)
	case http.MethodDelete:
		a.cancel(w, r, id)
	default:
		(&refusal{status: http.StatusMethodNotAllowed, reason: "method", message: "use GET or DELETE", allow: "GET, DELETE"}).write(w)
	}
}

func (a *api) fate(w http.ResponseWriter, r *http.Request, id string) {
	fate, asked, err := a.svc.Message(r.Context(), id)
	if err != nil {
		refuse(err).write(w)
		return
	}
	out := fateJSON{
		ID: id, Delivered: fate.Links[delivered], Dropped: map[string]uint64{},
		SlowestMS: milliseconds(fate.Slowest), askedJSON: askedJSON(asked),
	}
	for outcome, n := range fate.Links {
		if outcome != delivered {
			out.Dropped[outcome] = n
		}
	}
	writeJSON(w, http.StatusOK, out)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// cancel answers when the record is stored that calls the push off.
func (a *api) cancel(w http.ResponseWriter, r *http.Request, id string) {
	if err := a.svc.Cancel(r.Context(), id); err != nil {
		refuse(err).write(w)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Canceled string `json:"canceled"`
	}{id})
}

// ledgerJSON is what became of a room's messages, by lane.
type ledgerJSON struct {
	Room      ident.Room                   `json:"room"`
	Links     int                          `json:"links"`
	Since     string                       `json:"since,omitempty"`
	Pushed    map[string]uint64            `json:"pushed"`
	Delivered map[string]uint64            `json:"delivered"`
	Dropped   map[string]map[string]uint64 `json:"dropped"` // by reason, then lane
	Handed    map[string]uint64            `json:"handed"`
	askedJSON
}

// roomLedger serves GET /v1/rooms/TYPE/ID/ledger.
func (a *api) roomLedger(w http.ResponseWriter, r *http.Request, room ident.Room) {
	l, asked, err := a.svc.RoomLedger(r.Context(), room)
	if err != nil {
		refuse(err).write(w)
		return
	}
	out := ledgerJSON{
		Room: room, Links: l.Links, Pushed: l.Pushed, Handed: l.Handed, Delivered: map[string]uint64{},
		Dropped: map[string]map[string]uint64{}, askedJSON: askedJSON(asked),
	}
	if !l.Since.IsZero() {
		out.Since = l.Since.UTC().Format(time.RFC3339Nano)
	}
	for outcome, lanes := range l.Ends {
		if outcome == delivered {
			out.Delivered = lanes
		} else {
			out.Dropped[outcome] = lanes
		}
	}
	writeJSON(w, http.StatusOK, out)
}
