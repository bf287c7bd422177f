package push

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Asked says how complete an answer is.
type Asked struct {
	Comets int      `json:"comets"` // that answered
	Silent []string `json:"silent"` // that live and did not
}

// Fate is what became of a message, so far, in links.
type Fate struct {
	ID        string            `json:"id"`
	Delivered uint64            `json:"delivered"`
	Dropped   map[string]uint64 `json:"dropped"` // by reason: "slow", "shed", "expired", …
	// SlowestMS is the time from acceptance to the latest delivery, in
	// milliseconds.
	SlowestMS float64 `json:"slowest_ms"`
	Asked
}

// RoomLedger is what became of a room's messages while it had members: pushed =
// delivered + dropped + handed, by lane.
type RoomLedger struct {
	Room  string    `json:"room"`
	Links int       `json:"links"`
	Since time.Time `json:"since"` // of the counts; zero without members
	// Pushed counts messages by lane, the others messages × links.
	Pushed    map[string]uint64            `json:"pushed"`
	Delivered map[string]uint64            `json:"delivered"`
	Dropped   map[string]map[string]uint64 `json:"dropped"` // by reason, then lane
	// Handed went to links one by one, where a room has few members on a loop:
	// how they end is told by Client.Fate only.
	Handed map[string]uint64 `json:"handed"`
	Asked
}

// Fate asks what became of the message with this id. Comets remember their last
// messages for ten minutes; one that none of them knows is ErrRefused.
func (c *Client) Fate(ctx context.Context, id string) (f Fate, err error) {
	err = c.ask(ctx, http.MethodGet, "/v1/messages/"+url.PathEscape(id), &f)
	return f, err
}

// RoomLedger asks what became of the messages of a room, "type://id".
func (c *Client) RoomLedger(ctx context.Context, room string) (l RoomLedger, err error) {
	err = c.ask(ctx, http.MethodGet, "/v1/rooms/"+strings.Replace(room, "://", "/", 1)+"/ledger", &l)
	return l, err
}

// Cancel calls off what has not been sent yet of the push to all with this id.
// It returns when the broker has that.
func (c *Client) Cancel(ctx context.Context, id string) error {
	var done struct{ Canceled string }
	return c.ask(ctx, http.MethodDelete, "/v1/messages/"+url.PathEscape(id), &done)
}

func (c *Client) ask(ctx context.Context, method, path string, answer any) error {
	a, err := c.call(ctx, method, path, "", nil)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return a.refusal()
	}
	if err := json.Unmarshal(a.body, answer); err != nil {
		return a.nonsense(err)
	}
	return nil
}
