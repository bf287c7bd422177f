package httpapi

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/balance"
	"github.com/oortim/oort/proto/ident"
)

// kick serves POST /v1/kick {"key"|"mid","reason"}.
func (a *api) kick(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Key    string `json:"key"`
		Mid    int64  `json:"mid"`
		Reason string `json:"reason"`
	}
	body, no := a.readJSON(w, r)
	if no == nil {
		no = decode(body, &in)
	}
	if no == nil && (in.Key != "") == (in.Mid != 0) {
		no = &refusal{status: http.StatusBadRequest, reason: "target", message: "name either key or mid"}
	}
	if no != nil {
		no.write(w)
		return
	}
	kicked, err := a.svc.Kick(r.Context(), ident.Key(in.Key), in.Mid, in.Reason)
	if err != nil {
		refuse(err).write(w)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Kicked int `json:"kicked"`
	}{kicked})
}

// sessionJSON is one key that is online.
type sessionJSON struct {
	Key      ident.Key    `json:"key"`
	Mid      int64        `json:"mid"`
	Platform string       `json:"platform,omitempty"`
	Server   ident.Server `json:"server"`
	Link     uint64       `json:"link"`
	Epoch    uint64       `json:"epoch"`
}

// sessions serves GET /v1/sessions?key= or ?mid=.
func (a *api) sessions(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	key, mid := q.Get("key"), int64(0)
	if q.Has("mid") {
		mid, _ = strconv.ParseInt(q.Get("mid"), 10, 64) // 0 is refused below
	}
	if (key != "") == q.Has("mid") {
		(&refusal{status: http.StatusBadRequest, reason: "target", message: "name either key or mid"}).write(w)
		return
	}
	found, err := a.svc.Sessions(r.Context(), ident.Key(key), mid)
	if err != nil {
		refuse(err).write(w)
		return
	}
	list := make([]sessionJSON, len(found))
	for i, s := range found {
		list[i] = sessionJSON{Key: s.Key, Mid: s.Mid, Platform: s.Platform, Server: s.Server, Link: s.Link, Epoch: s.Epoch}
	}
	writeJSON(w, http.StatusOK, struct {
		Sessions []sessionJSON `json:"sessions"`
	}{list})
}

// roomJSON is a room's number of links.
type roomJSON struct {
	Room  ident.Room `json:"room"`
	Links int32      `json:"links"`
}

// roomsTop serves GET /v1/rooms/top?type=&n=&region=.
func (a *api) roomsTop(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	n, err := topLimit(q.Get("limit"), q.Get("n"))
	if err != nil {
		(&refusal{status: http.StatusBadRequest, reason: "limit", message: err.Error()}).write(w)
		return
	}
	writeRooms(w, a.svc.OnlineTop(regionOf(r), q.Get("type"), n))
}

func writeRooms(w http.ResponseWriter, counts []logic.RoomCount) {
	list := make([]roomJSON, len(counts))
	for i, count := range counts {
		list[i] = roomJSON{Room: count.Room, Links: count.Links}
	}
	writeJSON(w, http.StatusOK, struct {
		Rooms []roomJSON `json:"rooms"`
	}{list})
}

// room serves GET /v1/rooms/TYPE/ID and …/ledger. "live://1000" as it is would
// be cleaned to "live:/1000" on its way, so that is understood too, and escaped
// it works.
func (a *api) room(w http.ResponseWriter, r *http.Request) {
	name, ledger := strings.CutSuffix(r.PathValue("room"), "/ledger")
	room, err := ident.ParseRoom(name)
	if err != nil {
		typ, id, _ := strings.Cut(name, "/")
		room, err = ident.ParseRoom(strings.TrimSuffix(typ, ":") + "://" + id)
	}
	if err != nil {
		(&refusal{status: http.StatusBadRequest, reason: "room", message: "a room is TYPE/ID"}).write(w)
		return
	}
	if ledger {
		a.roomLedger(w, r, room)
		return
	}
	count := a.svc.OnlineRooms(regionOf(r), []ident.Room{room})[0]
	writeJSON(w, http.StatusOK, roomJSON{Room: count.Room, Links: count.Links})
}

// onlineJSON is what the cluster or a region holds.
type onlineJSON struct {
	Links    uint64 `json:"links"`
	Connects uint64 `json:"connects"`
	Rooms    int    `json:"rooms"`
	Comets   int    `json:"comets"`
}

// online serves GET /v1/online?region=. The whole cluster is told by regions
// too.
func (a *api) online(w http.ResponseWriter, r *http.Request) {
	region := regionOf(r)
	out := struct {
		onlineJSON
		Regions map[string]onlineJSON `json:"regions,omitempty"`
	}{onlineJSON: onlineJSON(a.svc.Online(region))}
	if region == logic.Everywhere {
		out.Regions = map[string]onlineJSON{}
		for name, sum := range a.svc.OnlineRegions() {
			out.Regions[name] = onlineJSON(sum)
		}
	}
	writeJSON(w, http.StatusOK, out)
}

// nodesJSON tells a client where to connect, best first, and how to try.
type nodesJSON struct {
	TCP         []string    `json:"tcp"`
	WS          []string    `json:"ws"`
	HeartbeatMS int64       `json:"heartbeat_ms"`
	Backoff     backoffJSON `json:"backoff"`
}

type backoffJSON struct {
	BaseMS int64   `json:"base_ms"`
	MaxMS  int64   `json:"max_ms"`
	Factor float64 `json:"factor"`
	Jitter float64 `json:"jitter"`
}

// nodes serves GET /v1/nodes; see client for what it may be asked.
func (a *api) nodes(w http.ResponseWriter, r *http.Request) {
	tcp, tcpErr := a.svc.Nodes(a.client(r, ""))
	ws, wsErr := a.svc.Nodes(a.client(r, balance.PlatformWeb))
	if err := errors.Join(tcpErr, wsErr); tcpErr != nil && wsErr != nil {
		(&refusal{status: http.StatusServiceUnavailable, reason: "no_nodes", message: oneLine(err), retry: 1e9}).write(w)
		return
	}
	plan := ws
	if wsErr != nil {
		plan = tcp
	}
	writeJSON(w, http.StatusOK, nodesJSON{
		TCP: withPort(tcp.Nodes, plan.TCPPort), WS: withPort(ws.Nodes, plan.WSPort),
		HeartbeatMS: plan.Heartbeat.Milliseconds(),
		Backoff: backoffJSON{
			BaseMS: plan.Backoff.BaseDelay.Milliseconds(), MaxMS: plan.Backoff.MaxDelay.Milliseconds(),
			Factor: plan.Backoff.Factor, Jitter: plan.Backoff.Jitter,
		},
	})
}

// withPort completes the addresses that have the usual port.
func withPort(addrs []string, port int) []string {
	full := make([]string, len(addrs))
	for i, addr := range addrs {
		if full[i] = addr; !hasPort(addr) {
			full[i] = net.JoinHostPort(addr, strconv.Itoa(port))
		}
	}
	return full
}

func hasPort(addr string) bool {
	_, _, err := net.SplitHostPort(addr)
	return err == nil
}
