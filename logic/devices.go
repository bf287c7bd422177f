package logic

import (
	"context"
	"fmt"

	"github.com/oortim/oort/proto/ident"
)

// Devices says how many devices of one user may be online. Who has to go is
// closed with the reason "replaced", as a link is whose key logs in again. Links
// without a user (mid 0) are nobody's devices.
type Devices uint8

// Policies for several devices.
const (
	// AllDevices: as many as come.
	AllDevices Devices = iota
	// OneAPlatform: the newest of each platform that clients name at login.
	OneAPlatform
	// NewestDevice: the newest of all.
	NewestDevice
)

// ParseDevices reads a policy: "all", "platform" or "newest".
func ParseDevices(word string) (Devices, error) {
	switch word {
	case "all":
		return AllDevices, nil
	case "platform":
		return OneAPlatform, nil
	case "newest":
		return NewestDevice, nil
	}
	return AllDevices, fmt.Errorf("logic: devices %.40q is none of all, platform, newest", word)
}

// raise makes each login's epoch higher than those of its user's devices that
// are known now, so that the newest is the newest whatever the clocks of
// several Redis servers say.
func (s *Service) raise(ctx context.Context, logins []Login) {
	if s.cfg.Devices == AllDevices {
		return
	}
	mids := usersOf(logins)
	lists, err := s.cfg.Sessions.ByMids(ctx, mids)
	if err != nil {
		return // and so the login fails, or its clock decides
	}
	highest := make(map[int64]uint64, len(mids))
	for i, mid := range mids {
		for _, session := range lists[i] {
			highest[mid] = max(highest[mid], session.Epoch)
		}
	}
	for i := range logins {
		logins[i].Seen = max(logins[i].Seen, highest[logins[i].Mid])
	}
}

// surplus lists the devices of the users of logins that have to go. It is
// called when the logins are stored: of two that come at the same moment at
// least the one that looks later sees both, and both judge alike, by the epoch.
func (s *Service) surplus(ctx context.Context, logins []Login) ([]Session, error) {
	if s.cfg.Devices == AllDevices {
		return nil, nil
	}
	lists, err := s.cfg.Sessions.ByMids(ctx, usersOf(logins))
	if err != nil {
		return nil, err
	}
	var gone []Session
	for _, list := range lists {
		gone = append(gone, s.cfg.Devices.surplus(list)...)
	}
	return gone, nil
}

// surplus are those of one user's sessions that have to go.
func (d Devices) surplus(list []Session) (gone []Session) {
	group := func(s Session) string {
		if d == OneAPlatform {
			return s.Platform
		}
		return ""
	}
	newest := make(map[string]Session, 1)
	for _, s := range list {
		if best, ok := newest[group(s)]; !ok || later(s, best) {
			newest[group(s)] = s
		}
	}
	for _, s := range list {
		if s.Key != newest[group(s)].Key {
			gone = append(gone, s)
		}
	}
	return gone
}

// later orders sessions of different keys; epochs of two keys may be equal.
func later(a, b Session) bool {
	return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Key > b.Key
}

func usersOf(logins []Login) []int64 {
	mids := make([]int64, 0, len(logins))
	seen := make(map[int64]struct{}, len(logins))
	for i := range logins {
		if logins[i].Mid > 0 {
			mids = distinct(mids, []int64{logins[i].Mid}, seen)
		}
	}
	return mids
}

// reduce enforces the policy after logins of one comet: it returns the sessions
// to kick. Of the logins themselves, those that came too late are refused and
// forgotten; all are, to try again, if nobody can tell.
func (s *Service) reduce(ctx context.Context, server ident.Server, logins []Login, results []*ConnectResult) (losers []Session) {
	if s.cfg.Devices == AllDevices || len(logins) == 0 {
		return nil
	}
	gone, err := s.surplus(ctx, logins)
	own := make(map[uint64]*ConnectResult, len(results))
	for _, r := range results {
		if r.Status == StatusOK && r.Mid > 0 {
			own[r.Link] = r
		}
	}
	if err != nil {
		for _, r := range own {
			s.takeBack(ctx, server, r, fmt.Errorf("%w: sessions", ErrUnavailable))
		}
		return nil
	}
	for _, session := range gone {
		if r := own[session.Link]; r != nil && session.Server == server {
			s.takeBack(ctx, server, r, fmt.Errorf("%w: another device logged in later", ErrDenied))
			continue
		}
		losers = append(losers, session)
	}
	return losers
}

// takeBack refuses a login that is stored already.
func (s *Service) takeBack(ctx context.Context, server ident.Server, r *ConnectResult, why error) {
	session := Session{Key: r.Key, Mid: r.Mid, Link: r.Link, Epoch: r.Epoch}
	r.refuse(why, 0)
	s.Disconnect(ctx, server, []Session{session})
}
