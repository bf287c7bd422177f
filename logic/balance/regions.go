package balance

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Point is a place on the earth, in degrees: north and east are positive.
type Point struct{ Lat, Lon float64 }

// Valid reports whether p is on the earth.
func (p Point) Valid() bool { return math.Abs(p.Lat) <= 90 && math.Abs(p.Lon) <= 180 }

// earth is its mean radius in kilometres.
const earth = 6371

// distance of two points in kilometres, along the great circle (haversine).
func (p Point) distance(q Point) float64 {
	rad := func(degrees float64) float64 { return degrees * math.Pi / 180 }
	lat, lon := rad(q.Lat-p.Lat)/2, rad(q.Lon-p.Lon)/2
	h := math.Pow(math.Sin(lat), 2) + math.Cos(rad(p.Lat))*math.Cos(rad(q.Lat))*math.Pow(math.Sin(lon), 2)
	return 2 * earth * math.Asin(min(1, math.Sqrt(h)))
}

// Regions are where the regions of comets lie.
type Regions map[string]Point

// ReadRegions reads lines "REGION LATITUDE LONGITUDE" in degrees. Empty lines
// and those that begin with # are skipped.
func ReadRegions(r io.Reader) (Regions, error) {
	regions := Regions{}
	err := fields(r, 3, func(f []string) error {
		lat, err1 := strconv.ParseFloat(f[1], 64)
		lon, err2 := strconv.ParseFloat(f[2], 64)
		p := Point{lat, lon}
		if err1 != nil || err2 != nil || !p.Valid() {
			return fmt.Errorf("%q %q are no latitude and longitude", f[1], f[2])
		}
		if _, dup := regions[f[0]]; dup {
			return fmt.Errorf("region %q is there twice", f[0])
		}
		regions[f[0]] = p
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("balance: regions: %w", err)
	}
	return regions, nil
}

// fields reads lines of n words.
func fields(r io.Reader, n int, take func([]string) error) error {
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		if len(words) != n {
			return fmt.Errorf("line %d: %d words, want %d", number, len(words), n)
		}
		if err := take(words); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return lines.Err()
}
