package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// goim's codes. It answers HTTP 200 to everything, and so does /goim.
const (
	goimOK       = 0
	goimRequest  = -400
	goimInternal = -500
)

// goimReply is goim's answer.
type goimReply struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func goimAnswer(w http.ResponseWriter, data any, err error) {
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, goimReply{Code: goimOK, Data: data})
	case errors.Is(err, logic.ErrPush), errors.Is(err, errRequest):
		writeJSON(w, http.StatusOK, goimReply{Code: goimRequest, Message: oneLine(err)})
	default:
		writeJSON(w, http.StatusOK, goimReply{Code: goimInternal, Message: oneLine(err)})
	}
}

// errRequest: a parameter is missing or wrong.
var errRequest = errors.New("bad request")

func (a *api) goimPushKeys(w http.ResponseWriter, r *http.Request) {
	a.goimPush(w, r, func(q url.Values, p *logic.Push) error {
		for _, key := range list(q["keys"]) {
			p.Keys = append(p.Keys, ident.Key(key))
		}
		return nil
	})
}

func (a *api) goimPushMids(w http.ResponseWriter, r *http.Request) {
	a.goimPush(w, r, func(q url.Values, p *logic.Push) error {
		for _, mid := range list(q["mids"]) {
			n, err := strconv.ParseInt(mid, 10, 64)
			if err != nil {
				return fmt.Errorf("%w: mids: %.40q", errRequest, mid)
			}
			p.Mids = append(p.Mids, n)
		}
		return nil
	})
}

func (a *api) goimPushRoom(w http.ResponseWriter, r *http.Request) {
	a.goimPush(w, r, func(q url.Values, p *logic.Push) (err error) {
		p.Room, err = goimRoom(q.Get("type"), q.Get("room"))
		return err
	})
}

func (a *api) goimPushAll(w http.ResponseWriter, r *http.Request) {
	a.goimPush(w, r, func(q url.Values, p *logic.Push) (err error) {
		p.All = true
		if speed := q.Get("speed"); speed != "" {
			if p.Speed, err = strconv.ParseInt(speed, 10, 32); err != nil || p.Speed < 0 {
				return fmt.Errorf("%w: speed: %.40q", errRequest, speed)
			}
		}
		return nil
	})
}

// goimPush stores the body as one push whose targets the query names.
func (a *api) goimPush(w http.ResponseWriter, r *http.Request, targets func(url.Values, *logic.Push) error) {
	p, err := a.goimMessage(r)
	if err == nil {
		err = targets(r.URL.Query(), &p)
	}
	if err == nil {
		err = a.svc.Push(r.Context(), []logic.Push{p})[0].Err
	}
	goimAnswer(w, nil, err)
}

// goimMessage reads what all of goim's pushes have: the operation and the body.
func (a *api) goimMessage(r *http.Request) (logic.Push, error) {
	operation := r.URL.Query().Get("operation")
	op, err := strconv.ParseInt(operation, 10, 32)
	if err != nil {
		return logic.Push{}, fmt.Errorf("%w: operation: %.40q", errRequest, operation)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, a.opt.BodyBytes+1))
	if err != nil {
		return logic.Push{}, fmt.Errorf("%w: body: cut off", errRequest)
	}
	if int64(len(body)) > a.opt.BodyBytes {
		return logic.Push{}, fmt.Errorf("%w: body: over %d bytes", errRequest, a.opt.BodyBytes)
	}
	return logic.Push{Op: int32(op), Body: body, Lane: pushpb.Lane_LANE_CHAT}, nil
}

// goimRoom joins goim's two halves of a room; older clients send both in room.
func goimRoom(typ, id string) (ident.Room, error) {
	name := typ + "://" + id
	if typ == "" {
		name = id
	}
	room, err := ident.ParseRoom(name)
	if err != nil {
		return "", fmt.Errorf("%w: room: %w", errRequest, err)
	}
	return room, nil
}

// list reads a repeated parameter whose values may be lists themselves.
func list(values []string) (items []string) {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			if item != "" {
				items = append(items, item)
			}
		}
	}
	return items
}
