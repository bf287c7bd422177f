package parts

import (
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/logic/balance"
)

// PlaceFlags say where clients and regions are, for the list of nodes.
type PlaceFlags struct {
	Regions   string   `placeholder:"FILE" type:"existingfile" help:"Where the regions of comets lie, a line each: REGION LATITUDE LONGITUDE. Clients are sent to the nearest."`
	Networks  string   `placeholder:"FILE" type:"existingfile" help:"Which networks are in which region, a line each: CIDR REGION. Comes before --maxmind."`
	MaxMind   string   `name:"maxmind" placeholder:"FILE" type:"existingfile" help:"File of MaxMind's format with the places of addresses (City), or with a string \"region\"."`
	HTTPProxy []string `name:"http-proxies" placeholder:"CIDR" help:"Proxies before the HTTP API whose X-Forwarded-For says where a client is."`
}

// atlas reads the files.
func (f *PlaceFlags) atlas() (a balance.Atlas, err error) {
	if f.Regions != "" {
		if a.Regions, err = readFile(f.Regions, balance.ReadRegions); err != nil {
			return a, err
		}
	}
	if f.Networks != "" {
		if a.Table, err = readFile(f.Networks, balance.ReadTable); err != nil {
			return a, err
		}
	}
	if f.MaxMind != "" {
		a.MaxMind, err = balance.OpenMaxMind(f.MaxMind)
	}
	return a, err
}

// proxies are the sources whose X-Forwarded-For is believed.
func (f *PlaceFlags) proxies() (list []netip.Prefix, err error) {
	for _, s := range some(f.HTTPProxy) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, ops.Usagef("--http-proxies: %v", err)
		}
		if p.Addr().Is4In6() {
			return nil, ops.Usagef("--http-proxies: %q is to be written as an IPv4 network", s)
		}
		list = append(list, p)
	}
	return list, nil
}

// readFile reads a file by read and names the file in its errors.
func readFile[T any](file string, read func(io.Reader) (T, error)) (v T, err error) {
	r, err := os.Open(file)
	if err != nil {
		return v, err
	}
	defer r.Close()
	if v, err = read(r); err != nil {
		return v, fmt.Errorf("%s: %w", file, err)
	}
	return v, nil
}
