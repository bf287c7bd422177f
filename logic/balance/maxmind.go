package balance

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/oschwald/maxminddb-golang/v2"
)

// MaxMind looks addresses up in a file of MaxMind's format, of which two kinds
// are understood: GeoIP2 City, GeoLite2 City and their like, which have
// location.latitude and location.longitude; and one of an operator's own with a
// string "region", the name of a region of comets.
type MaxMind struct{ reader *maxminddb.Reader }

// OpenMaxMind reads a file. It is not mapped into memory, where a new edition that
// is copied over it would end the process by SIGBUS at the next look.
func OpenMaxMind(file string) (*MaxMind, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("balance: MaxMind file: %w", err)
	}
	reader, err := maxminddb.OpenBytes(text)
	if err != nil {
		return nil, fmt.Errorf("balance: MaxMind file %q: %w", file, err)
	}
	return &MaxMind{reader: reader}, nil
}

// Look finds where an address is: its region by name, or its place; neither if
// the file does not tell.
func (m *MaxMind) Look(ip netip.Addr) (region string, at Point, located bool) {
	var record struct {
		Region   string `maxminddb:"region"`
		Location struct {
			Lat *float64 `maxminddb:"latitude"`
			Lon *float64 `maxminddb:"longitude"`
		} `maxminddb:"location"`
	}
	if err := m.reader.Lookup(ip.Unmap().WithZone("")).Decode(&record); err != nil {
		return "", at, false
	}
	if l := record.Location; l.Lat != nil && l.Lon != nil {
		at, located = Point{*l.Lat, *l.Lon}, true
	}
	return record.Region, at, located && at.Valid()
}
