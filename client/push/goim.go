package push

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Goim pushes p by goim's own API, which knows neither ids nor lanes nor times
// to live: fields that it cannot carry are refused. goim answers 200 with a
// code; a code that is not 0 and not -400 leaves open whether p was stored.
func (c *Client) Goim(ctx context.Context, p Push) error {
	path, err := goimPath(&p)
	if err != nil {
		return &Error{Outcome: Refused, Err: err}
	}
	a, err := c.post(ctx, path, "application/octet-stream", p.Body)
	if err != nil {
		return err
	}
	var r struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	err = json.Unmarshal(a.body, &r)
	if a.status != http.StatusOK {
		return a.refusal()
	}
	if err != nil {
		return a.nonsense(err)
	}
	if r.Code == 0 {
		return nil
	}
	e := &Error{Outcome: Unknown, Status: http.StatusOK, Reason: strconv.Itoa(r.Code), Message: r.Message}
	if r.Code == -400 { // goim's RequestErr
		e.Outcome = Refused
	}
	return e
}

func goimPath(p *Push) (string, error) {
	if p.ID != "" || p.Lane != "" || p.TTL != 0 || p.Collapse != "" {
		return "", fmt.Errorf("goim's API has no id, lane, ttl or collapse")
	}
	q := url.Values{"operation": {strconv.Itoa(int(p.Op))}}
	switch {
	case len(p.Keys) > 0:
		q["keys"] = p.Keys
		return "/goim/push/keys?" + q.Encode(), nil
	case len(p.Mids) > 0:
		for _, mid := range p.Mids {
			q.Add("mids", strconv.FormatInt(mid, 10))
		}
		return "/goim/push/mids?" + q.Encode(), nil
	case p.All:
		if p.Speed > 0 {
			q.Set("speed", strconv.FormatInt(p.Speed, 10))
		}
		return "/goim/push/all?" + q.Encode(), nil
	}
	typ, id, ok := strings.Cut(p.Room, "://")
	if !ok {
		return "", fmt.Errorf("no target: room %q is not type://id", p.Room)
	}
	q.Set("type", typ)
	q.Set("room", id)
	return "/goim/push/room?" + q.Encode(), nil
}
