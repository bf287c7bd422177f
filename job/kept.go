package job

import "time"

// Bounds of what is kept for comets that no list has named yet.
const (
	keptBytes = 32 << 20
	keptFor   = 30 * time.Second
)

// kept are records that go to every comet, or to every one that has the room,
// and were read while the list of comets was older than Config.Fresh: a comet
// that it does not name may have links by now. The comets that are known get
// them at once. The records stay open, and so uncommitted, until a list is read;
// what it names anew gets them, too, in their order and before all that is read
// later. A record for one comet that the list does not name waits among them: if
// it went first, what was kept would lie below the comet's mark. Above the
// bounds the oldest are given up as unknown.
type kept struct {
	list  []keptRecord // oldest first
	bytes int
}

type keptRecord struct {
	Delivery
	of  *partition
	at  time.Time
	one ServerID // the only comet that it is for; "": all that are named anew
}

func (k *kept) put(r keptRecord) {
	k.list = append(k.list, r)
	k.bytes += r.Bytes
}

// cut takes the oldest out: those that were put before a time, and those beyond
// the bound of bytes.
func (k *kept) cut(before time.Time) []keptRecord {
	n := 0
	for n < len(k.list) && (k.bytes > keptBytes || k.list[n].at.Before(before)) {
		k.bytes -= k.list[n].Bytes
		n++
	}
	out := k.list[:n:n]
	k.list = k.list[n:]
	return out
}

// take empties it.
func (k *kept) take() []keptRecord {
	out := k.list
	*k = kept{}
	return out
}

// forget drops what is kept of a partition that has been revoked.
func (k *kept) forget(owner Owner) {
	left := kept{}
	for _, r := range k.list {
		if r.Owner != owner {
			left.put(r)
		}
	}
	*k = left
}

// finish tells the outcome of records that are kept no longer, for the comet
// that they were kept for. Not under the lock of the routes.
func finish(records []keptRecord, o Outcome) {
	for _, r := range records {
		r.of.Done(r.one, r.Delivery, o)
	}
}

// catchUpLocked offers what was kept, to comets that have become known and to
// those that it is for. It returns what is finished by that.
func (r *routes) catchUpLocked(newcomers []*route) (finished []keptRecord) {
	living := int64(r.livingLocked())
	touched := newcomers
	for _, k := range r.kept.take() {
		if k.one != "" {
			to := r.outletLocked(k.one)
			to.planned = append(to.planned, k.Delivery)
			touched = append(touched, to)
			continue
		}
		finished = append(finished, k)
		if len(newcomers) == 0 {
			continue
		}
		k.of.more(k.Entry, len(newcomers))
		d := k.Delivery
		if speed := d.Push.Speed; speed > 0 {
			d.Push = withSpeed(d.Push, share(speed, living, living-1))
		}
		for _, to := range newcomers {
			to.planned = append(to.planned, d)
		}
	}
	for _, to := range touched {
		to.offer()
	}
	return finished
}

// giveUp ends what has been kept too long, or is too much.
func (r *routes) giveUp() {
	r.mu.Lock()
	out := r.kept.cut(r.now().Add(-keptFor))
	r.mu.Unlock()
	finish(out, Outcome{Drop: ReasonUnknown})
}
