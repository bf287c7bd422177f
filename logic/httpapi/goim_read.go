package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/balance"
	"github.com/oortim/oort/proto/ident"
)

// maxTop is the longest list of top rooms.
const maxTop = 1000

// goimTop is a room in goim's list of top rooms; RoomID is without its type.
type goimTop struct {
	RoomID string `json:"room_id"`
	Count  int32  `json:"count"`
}

// goimTotal is goim's total. oort does not count addresses: ip_count is 0.
type goimTotal struct {
	Conns uint64 `json:"conn_count"`
	IPs   uint64 `json:"ip_count"`
}

// regionOf is the region whose links are asked for; all of them without the
// query parameter. goim has no such parameter.
func regionOf(r *http.Request) string {
	if q := r.URL.Query(); q.Has("region") {
		return q.Get("region")
	}
	return logic.Everywhere
}

func (a *api) goimOnlineTop(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	typ := q.Get("type")
	n, err := topLimit(q.Get("limit"), q.Get("n"))
	if err == nil && typ == "" {
		err = fmt.Errorf("%w: type is required", errRequest)
	}
	if err != nil {
		goimAnswer(w, nil, err)
		return
	}
	top := []goimTop{}
	for _, count := range a.svc.OnlineTop(regionOf(r), typ, n) {
		_, id, _ := strings.Cut(string(count.Room), "://")
		top = append(top, goimTop{RoomID: id, Count: count.Links})
	}
	goimAnswer(w, top, nil)
}

// topLimit reads goim's limit, or n for short.
func topLimit(limit, n string) (int, error) {
	if limit == "" {
		limit = n
	}
	if limit == "" {
		return 10, nil
	}
	top, err := strconv.Atoi(limit)
	if err != nil || top < 1 || top > maxTop {
		return 0, fmt.Errorf("%w: limit %.40q is not 1 to %d", errRequest, limit, maxTop)
	}
	return top, nil
}

func (a *api) goimOnlineRoom(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	ids := list(q["rooms"])
	rooms := make([]ident.Room, 0, len(ids))
	for _, id := range ids {
		room, err := goimRoom(q.Get("type"), id)
		if err != nil {
			goimAnswer(w, nil, err)
			return
		}
		rooms = append(rooms, room)
	}
	if len(rooms) == 0 || len(rooms) > maxTop {
		goimAnswer(w, nil, fmt.Errorf("%w: 1 to %d rooms are required", errRequest, maxTop))
		return
	}
	counts := make(map[string]int32, len(rooms))
	for i, count := range a.svc.OnlineRooms(regionOf(r), rooms) {
		counts[ids[i]] = count.Links
	}
	goimAnswer(w, counts, nil)
}

func (a *api) goimOnlineTotal(w http.ResponseWriter, r *http.Request) {
	goimAnswer(w, goimTotal{Conns: a.svc.Online(regionOf(r)).Links}, nil)
}

// goimNodes is goim's advice to a client; times are in seconds.
type goimNodes struct {
	Domain       string      `json:"domain"`
	TCPPort      int         `json:"tcp_port"`
	WSPort       int         `json:"ws_port"`
	WSSPort      int         `json:"wss_port"`
	Heartbeat    int         `json:"heartbeat"`
	Nodes        []string    `json:"nodes"`
	Backoff      goimBackoff `json:"backoff"`
	HeartbeatMax int         `json:"heartbeat_max"`
}

type goimBackoff struct {
	MaxDelay  int     `json:"max_delay"`
	BaseDelay int     `json:"base_delay"`
	Factor    float64 `json:"factor"`
	Jitter    float64 `json:"jitter"`
}

func (a *api) goimNodesWeighted(w http.ResponseWriter, r *http.Request) {
	plan, err := a.svc.Nodes(a.client(r, r.URL.Query().Get("platform")))
	if err != nil {
		goimAnswer(w, nil, err)
		return
	}
	goimAnswer(w, goimPlan(plan), nil)
}

func goimPlan(p balance.Plan) goimNodes {
	seconds := func(d time.Duration) int { return int(d / time.Second) }
	return goimNodes{
		Domain: p.Domain, TCPPort: p.TCPPort, WSPort: p.WSPort, WSSPort: p.WSSPort,
		Heartbeat: seconds(p.Heartbeat), HeartbeatMax: p.HeartbeatMax, Nodes: p.Nodes,
		Backoff: goimBackoff{
			MaxDelay: seconds(p.Backoff.MaxDelay), BaseDelay: seconds(p.Backoff.BaseDelay),
			Factor: p.Backoff.Factor, Jitter: p.Backoff.Jitter,
		},
	}
}

// goimInstance is a comet as goim's discovery describes it.
type goimInstance struct {
	Region   string            `json:"region"`
	AppID    string            `json:"appid"`
	Hostname string            `json:"hostname"`
	Addrs    []string          `json:"addrs"`
	Metadata map[string]string `json:"metadata"`
}

func (a *api) goimNodesInstances(w http.ResponseWriter, _ *http.Request) {
	instances := []goimInstance{}
	for _, c := range a.svc.Instances() {
		instances = append(instances, goimComet(c))
	}
	goimAnswer(w, instances, nil)
}

func goimComet(c logic.Comet) goimInstance {
	return goimInstance{
		Region: c.Region, AppID: "goim.comet", Hostname: c.Server.Name(),
		Addrs: []string{"grpc://" + c.GRPCAddr},
		Metadata: map[string]string{
			"addrs":      c.TCPAddr,
			"conn_count": strconv.FormatUint(c.Links, 10),
			"ip_count":   "0",
			"offline":    strconv.FormatBool(c.Draining),
			"weight":     strconv.FormatUint(uint64(c.Weight), 10),
		},
	}
}
