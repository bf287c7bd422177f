package measure

// Add adds what o has recorded to l. Both may go on recording; o is not l.
func (l *Latency) Add(o *Latency) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hist.Merge(o.hist)
}
