package client

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before the nth try to come back: Base, grown
// by Factor each time up to Max, of which a random half is taken off, so that
// a million links of a server that fell do not come back as one.
type Backoff struct {
	Base   time.Duration // Zero means 500 ms.
	Max    time.Duration // Zero means 30 s.
	Factor float64       // Zero means 1.6.
	// Rand deals numbers in [0, 1). Nil means math/rand.
	Rand func() float64
}

// Wait before try n, from 0.
func (b Backoff) Wait(n int) time.Duration {
	b = b.withDefaults()
	d := float64(b.Base)
	for ; n > 0 && d < float64(b.Max); n-- {
		d *= b.Factor
	}
	d = min(d, float64(b.Max))
	return time.Duration(d/2 + d/2*b.Rand())
}

func (b Backoff) withDefaults() Backoff {
	if b.Base <= 0 {
		b.Base = 500 * time.Millisecond
	}
	if b.Max <= 0 {
		b.Max = 30 * time.Second
	}
	if b.Factor < 1 {
		b.Factor = 1.6
	}
	if b.Rand == nil {
		b.Rand = rand.Float64
	}
	return b
}
