package comet

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/proto/roster"
)

// meters are one loop's counters. Only the loop writes them, so an add meets no
// other core; anybody may read.
type meters struct {
	opened    atomic.Uint64
	live      atomic.Int64
	closed    [reasonCount]atomic.Uint64
	ends      [ledger.Outcomes][ledger.Lanes]atomic.Uint64 // messages x links
	refused   [StatusUnavailable + 1]atomic.Uint64
	forbidden atomic.Uint64                 // changes of room that credentials do not permit
	roster    [roster.Buckets]atomic.Uint64 // digests of the links that are live
	took      [ledger.TimeBuckets]atomic.Uint64
	tookSum   atomic.Uint64 // microseconds
	blocks    atomic.Uint64
	writes    atomic.Uint64
	_         [64]byte // the next loop's are on another line
}

func (m *meters) addRooms(now, before *room.Stats) {
	for o := range now.Ends {
		for lane, n := range now.Ends[o].Minus(before.Ends[o]) {
			if n > 0 {
				m.ends[o][lane].Add(n)
			}
		}
	}
	took := now.Took.Minus(&before.Took)
	m.addTimes(&took)
	m.blocks.Add(now.Blocks - before.Blocks)
	m.writes.Add(now.Writes - before.Writes)
}

func (m *meters) addTimes(t *ledger.Times) {
	for i, n := range t.N {
		if n > 0 {
			m.took[i].Add(n)
		}
	}
	m.tookSum.Add(t.Sum)
}

// took is how long deliveries took, over all loops.
func (s *Server) took() (t ledger.Times) {
	for _, m := range s.meters {
		for i := range m.took {
			t.N[i] += m.took[i].Load()
		}
		t.Sum += m.tookSum.Load()
	}
	return t
}

// tookMetric makes a histogram of t.
func tookMetric(t ledger.Times) prometheus.Metric {
	below, n := make(map[float64]uint64, len(t.N)), uint64(0)
	for i, more := range t.N {
		n += more
		if i < len(t.N)-1 {
			below[ledger.TimeBound(i).Seconds()] = n
		}
	}
	return prometheus.MustNewConstHistogram(descTook, n, float64(t.Sum)/1e6, below)
}

func (s *Server) opened() (n uint64) {
	for _, m := range s.meters {
		n += m.opened.Load()
	}
	return n
}

// Sums is how many messages × links ended how, since the comet started.
func (s *Server) Sums() (sums ledger.Sums) {
	for _, m := range s.meters {
		for o := range m.ends {
			for lane := range m.ends[o] {
				sums[o][lane] += m.ends[o][lane].Load()
			}
		}
	}
	return sums
}

// Ledger is Sums over all lanes, by the names of the outcomes.
func (s *Server) Ledger() map[string]uint64 {
	by := map[string]uint64{}
	for o, counts := range s.Sums() {
		by[ledger.Outcome(o).String()] = counts.Total()
	}
	return by
}

var (
	descLinks     = prometheus.NewDesc("oort_comet_links", "Links open now, by state.", []string{"state"}, nil)
	descRooms     = prometheus.NewDesc("oort_comet_rooms", "Rooms with members now.", nil, nil)
	descOpened    = prometheus.NewDesc("oort_comet_opened_total", "Links accepted.", nil, nil)
	descClosed    = prometheus.NewDesc("oort_comet_closed_total", "Links ended, by reason.", []string{"reason"}, nil)
	descMessages  = prometheus.NewDesc("oort_comet_messages_total", "Messages x links, by how they ended.", []string{"outcome", "lane"}, nil)
	descRefused   = prometheus.NewDesc("oort_comet_auth_refused_total", "Authentications refused, by status.", []string{"status"}, nil)
	descForbidden = prometheus.NewDesc("oort_comet_room_changes_denied_total", "Changes of room (op 12) that a link's credentials do not permit.", nil, nil)
	descBlocks    = prometheus.NewDesc("oort_comet_blocks_total", "Blocks sealed: one a room, cohort and flush.", nil, nil)
	descWrites    = prometheus.NewDesc("oort_comet_writes_total", "Writes of pushes to links, each of one message or of several.", nil, nil)
	descPushes    = prometheus.NewDesc("oort_comet_pushes_total", "Records from jobs, by what became of them.", []string{"outcome"}, nil)
	descTook      = prometheus.NewDesc("oort_comet_delivery_seconds", "Deliveries of messages to links, by the time from acceptance by logic to the write.", nil, nil)
	descBusy      = prometheus.NewDesc("oort_comet_loop_busy_seconds_total", "Time that a loop did not wait; absent with engines that cannot tell.", []string{"loop"}, nil)
	descEngine    = prometheus.NewDesc("oort_comet_engine_total", "What the I/O engine counted.", []string{"what"}, nil)
	descRenew     = prometheus.NewDesc("oort_comet_renew_failed_total", "Renewals of the lease that failed.", nil, nil)
	descForgot    = prometheus.NewDesc("oort_comet_disconnects_forgotten_total", "Disconnects given up because logic was away too long.", nil, nil)
	descMended    = prometheus.NewDesc("oort_comet_mended_total", "What comparing with the stored sessions found here.", []string{"what"}, nil)
	descLease     = prometheus.NewDesc("oort_comet_lease_held", "1 while the lease is valid.", nil, nil)
)

// Describe is of prometheus.Collector.
func (s *Server) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(s, ch) }

// Collect is of prometheus.Collector. No label grows with rooms, keys or users.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	var live int64
	var blocks, writes, forbidden uint64
	var closed [reasonCount]uint64
	var refused [StatusUnavailable + 1]uint64
	for _, m := range s.meters {
		live += m.live.Load()
		blocks += m.blocks.Load()
		writes += m.writes.Load()
		forbidden += m.forbidden.Load()
		for i := range closed {
			closed[i] += m.closed[i].Load()
		}
		for i := range refused {
			refused[i] += m.refused[i].Load()
		}
	}
	gauge(descLinks, float64(live), "live")
	gauge(descLinks, float64(s.links.Load()-live), "other")
	gauge(descRooms, float64(s.rooms.Load()))
	count(descOpened, s.opened())
	for i := ReasonNone + 1; i < reasonCount; i++ {
		count(descClosed, closed[i], i.String())
	}
	for o, counts := range s.Sums() {
		for lane, n := range counts {
			count(descMessages, n, ledger.Outcome(o).String(), ledger.LaneName(lane))
		}
	}
	for i, name := range []string{StatusDenied: "denied", StatusInvalid: "invalid", StatusUnavailable: "unavailable"} {
		if name != "" {
			count(descRefused, refused[i], name)
		}
	}
	count(descForbidden, forbidden)
	count(descBlocks, blocks)
	count(descWrites, writes)
	count(descPushes, s.applied.Load(), "applied")
	count(descPushes, s.replayed.Load(), "replayed")
	for i, name := range []string{DropClosed: "closed", DropExpired: "expired", DropInvalid: "invalid"} {
		if name != "" {
			count(descPushes, s.refusedPushes[i].Load(), name)
		}
	}
	ch <- tookMetric(s.took())
	engine := s.engine.Stats()
	for i, busy := range engine.Busy {
		ch <- prometheus.MustNewConstMetric(descBusy, prometheus.CounterValue, busy.Seconds(), strconv.Itoa(i))
	}
	count(descEngine, engine.Accepted, "accepted")
	count(descEngine, engine.AcceptPauses, "accept_pauses")
	count(descEngine, engine.Panics, "panics")
	count(descEngine, engine.Wakes, "wakes")
	count(descRenew, s.renewFailed.Load())
	count(descForgot, s.forgotten.Load())
	count(descMended, s.mender.buckets.Load(), "buckets")
	count(descMended, s.mender.lost.Load(), "lost")
	count(descMended, s.mender.ghosts.Load(), "ghosts")
	held := 0.0
	if s.lease.held() {
		held = 1
	}
	gauge(descLease, held)
}
