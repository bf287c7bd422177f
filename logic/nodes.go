package logic

import (
	"github.com/oortim/oort/logic/balance"
)

// Nodes tells a client where to connect, best first. A comet that drains or has
// died is told no more within one lease of its last renewal. The error is
// balance.ErrNone if no comet takes links.
func (s *Service) Nodes(c balance.Client) (balance.Plan, error) {
	comets := s.observer.offered(2 * s.cfg.Refresh)
	nodes := make([]balance.Node, 0, len(comets))
	for _, c := range comets {
		nodes = append(nodes, balance.Node{
			Name: string(c.Server), TCPAddr: c.TCPAddr, WSAddr: c.WSAddr, Region: c.Region,
			Weight: c.Weight, Links: c.Links, MaxLinks: c.MaxLinks, Draining: c.Draining,
		})
	}
	return s.balancer.Plan(nodes, c)
}

// Instances lists the living comets as they were last seen, without asking
// the registry.
func (s *Service) Instances() []Comet { return s.observer.living() }
