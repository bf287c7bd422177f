package logic

import (
	"errors"
	"fmt"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// What can be wrong with a push. ErrPush is wrapped by all of them.
var (
	ErrPush         = errors.New("bad push")
	ErrPushTarget   = fmt.Errorf("%w: target", ErrPush)
	ErrPushOp       = fmt.Errorf("%w: op", ErrPush)
	ErrPushID       = fmt.Errorf("%w: id", ErrPush)
	ErrPushOption   = fmt.Errorf("%w: option", ErrPush)
	ErrPushBodySize = fmt.Errorf("%w: body too large", ErrPush)
	ErrPushTargets  = fmt.Errorf("%w: too many targets", ErrPush)
)

// Longest words of a push, in bytes.
const (
	maxID       = 64
	maxCollapse = 64
)

// check validates a push against the limits and returns its id.
func (s *Service) check(p *Push) (id string, err error) {
	if id = p.ID; id == "" {
		id = newID()
	}
	if !printable(id, maxID) {
		return "", fmt.Errorf("%w: not 1 to %d printable bytes", ErrPushID, maxID)
	}
	if p.Op < int32(frame.MinPushOp) {
		return id, fmt.Errorf("%w: %d is below %d, the protocol's own", ErrPushOp, p.Op, frame.MinPushOp)
	}
	if n := len(p.Body); n > s.cfg.Limits.BodyBytes {
		return id, fmt.Errorf("%w: %d bytes, limit %d", ErrPushBodySize, n, s.cfg.Limits.BodyBytes)
	}
	if err := checkOptions(p); err != nil {
		return id, err
	}
	return id, s.checkTargets(p)
}

func checkOptions(p *Push) error {
	switch {
	case p.Lane < pushpb.Lane_LANE_SYSTEM || p.Lane > pushpb.Lane_LANE_AMBIENT:
		return fmt.Errorf("%w: lane %d", ErrPushOption, p.Lane)
	case p.Collapse != "" && !printable(p.Collapse, maxCollapse):
		return fmt.Errorf("%w: collapse is not 1 to %d printable bytes", ErrPushOption, maxCollapse)
	case p.Collapse != "" && p.Room == "":
		return fmt.Errorf("%w: collapse is for rooms", ErrPushOption)
	case p.Speed < 0 || p.Speed != 0 && !p.All:
		return fmt.Errorf("%w: speed %d", ErrPushOption, p.Speed)
	}
	return nil
}

func (s *Service) checkTargets(p *Push) error {
	kinds := 0
	for _, named := range []bool{len(p.Keys) > 0, len(p.Mids) > 0, p.Room != "", p.All} {
		if named {
			kinds++
		}
	}
	if kinds != 1 {
		return fmt.Errorf("%w: exactly one of keys, mids, room and all must be named", ErrPushTarget)
	}
	if n := max(len(p.Keys), len(p.Mids)); n > s.cfg.Limits.Targets {
		return fmt.Errorf("%w: %d, limit %d", ErrPushTargets, n, s.cfg.Limits.Targets)
	}
	return checkNames(p)
}

func checkNames(p *Push) error {
	for _, key := range p.Keys {
		if _, err := ident.ParseKey(string(key)); err != nil {
			return fmt.Errorf("%w: %w", ErrPushTarget, err)
		}
	}
	for _, mid := range p.Mids {
		if mid <= 0 {
			return fmt.Errorf("%w: mid %d is nobody", ErrPushTarget, mid)
		}
	}
	if p.Room == "" {
		return nil
	}
	if _, err := ident.ParseRoom(string(p.Room)); err != nil {
		return fmt.Errorf("%w: %w", ErrPushTarget, err)
	}
	return nil
}

// printable reports whether s has 1 to limit bytes of visible ASCII.
func printable(s string, limit int) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return 0 < len(s) && len(s) <= limit
}
