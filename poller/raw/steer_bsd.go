//go:build darwin || freebsd

package raw

// steering is for loops with tables of their own, which are Linux's.
type steering struct{}

type marks struct{}

func newSteering(Options, int) *steering { return nil }

func marksOf() (m marks, err error) { return m, nil }

func (*steering) begin(*loop) {}
func (*steering) tend(*loop)  {}
func (*steering) end(*loop)   {}
