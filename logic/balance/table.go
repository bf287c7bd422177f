package balance

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
)

// Table says in which region networks are. Immutable.
type Table struct {
	regions map[netip.Prefix]string
	v4, v6  []int // lengths of prefixes that there are, longest first
}

// ReadTable reads lines "CIDR REGION". Of networks that contain an address the
// smallest counts. Empty lines and those that begin with # are skipped.
func ReadTable(r io.Reader) (*Table, error) {
	t := &Table{regions: map[netip.Prefix]string{}}
	err := fields(r, 2, func(f []string) error {
		p, err := netip.ParsePrefix(f[0])
		if err != nil {
			return err
		}
		switch {
		case p != p.Masked():
			return fmt.Errorf("%q has bits beyond its length", f[0])
		case p.Addr().Is4In6():
			return fmt.Errorf("%q is to be written as an IPv4 network", f[0])
		}
		if _, dup := t.regions[p]; dup {
			return fmt.Errorf("network %q is there twice", f[0])
		}
		t.regions[p] = f[1]
		t.note(p)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("balance: table: %w", err)
	}
	return t, nil
}

func (t *Table) note(p netip.Prefix) {
	lengths := &t.v6
	if p.Addr().Is4() {
		lengths = &t.v4
	}
	if !slices.Contains(*lengths, p.Bits()) {
		*lengths = append(*lengths, p.Bits())
		slices.SortFunc(*lengths, func(a, b int) int { return b - a })
	}
}

// Region of an address; empty if no network contains it.
func (t *Table) Region(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	lengths := t.v6
	if ip.Is4() {
		lengths = t.v4
	}
	for _, bits := range lengths {
		if p, err := ip.Prefix(bits); err == nil {
			if region, ok := t.regions[p]; ok {
				return region
			}
		}
	}
	return ""
}
