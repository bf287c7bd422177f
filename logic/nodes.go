package logic

import (
	"github.com/oortim/oort/logic/balance"
)

// Nodes tells a client where to connect, best first. platform is goim's word
// ("web", "ios"…), region the client's, empty if unknown. The error is
// balance.ErrNone if no comet takes links.
func (s *Service) Nodes(platform, region string) (balance.Plan, error) {
	comets := s.observer.living()
	nodes := make([]balance.Node, 0, len(comets))
	for _, c := range comets {
		nodes = append(nodes, balance.Node{
			Name: string(c.Server), TCPAddr: c.TCPAddr, WSAddr: c.WSAddr, Region: c.Region,
			Weight: c.Weight, Links: c.Links, MaxLinks: c.MaxLinks, Draining: c.Draining,
		})
	}
	return s.balancer.Plan(nodes, platform, region)
}

// Instances lists the living comets as they were last seen, without asking
// the registry.
func (s *Service) Instances() []Comet { return s.observer.living() }
