package slots

import (
	"slices"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/oortim/oort/poller"
)

// small is what a reactor keeps of a link.
type small struct {
	fd   int32
	flag uint32
	rest uint32
}

func TestSlotsAreDenseAndDealtAgain(t *testing.T) {
	var table Table[small]
	const links = 2*chunk + 1
	for want := range uint32(links) {
		if id, k := table.Add(); id != (poller.ID{Slot: want, Gen: 1}) || *k != (small{}) {
			t.Fatalf("link %d is %v with %v", want, id, *k)
		}
	}
	for _, slot := range []uint32{0, chunk - 1, chunk, links - 1} {
		table.Remove(poller.ID{Slot: slot, Gen: 1})
	}
	for _, want := range []uint32{links - 1, chunk, chunk - 1, 0} {
		if id, _ := table.Add(); id != (poller.ID{Slot: want, Gen: 2}) {
			t.Errorf("dealt %v, want slot %d again", id, want)
		}
	}
	if id, _ := table.Add(); id != (poller.ID{Slot: links, Gen: 1}) {
		t.Errorf("dealt %v, want a new slot", id)
	}
}

func TestMarkedLinkIsNotFound(t *testing.T) {
	var table Table[small]
	id, k := table.Add()
	k.fd = 7
	if table.Find(id) != k || table.Tenant(id) != k {
		t.Fatal("an open link is not found")
	}
	if table.Mark(id) != k {
		t.Fatal("the first Mark did not take")
	}
	if table.Mark(id) != nil {
		t.Error("the second Mark took, too")
	}
	if table.Find(id) != nil {
		t.Error("a marked link is found")
	}
	if table.Tenant(id) != k || k.fd != 7 || table.Len() != 1 {
		t.Error("a marked link is still the tenant of its slot")
	}
}

func TestRemoveIsByIdentity(t *testing.T) {
	var table Table[small]
	first, k := table.Add()
	k.fd = 7
	table.Remove(first)
	table.Remove(first)
	if n := table.Len(); n != 0 {
		t.Fatalf("%d links after two removals of one", n)
	}
	second, k := table.Add()
	if second.Slot != first.Slot || *k != (small{}) {
		t.Fatalf("%v has %v of an earlier tenant", second, *k)
	}
	table.Remove(first)
	if table.Find(second) != k {
		t.Error("removing a link that is gone took its successor")
	}
	if third, _ := table.Add(); third.Slot == second.Slot {
		t.Error("one slot was dealt to two links")
	}
}

func TestStrangersAreNotFound(t *testing.T) {
	var table Table[small]
	find := func(id poller.ID) bool {
		return table.Find(id) != nil || table.Tenant(id) != nil || table.Mark(id) != nil
	}
	if find(poller.ID{}) || find(poller.ID{Gen: 1}) {
		t.Error("an empty table finds something")
	}
	id, _ := table.Add()
	for _, stranger := range []poller.ID{
		{Slot: id.Slot, Gen: 0},
		{Slot: id.Slot, Gen: 2},
		{Slot: id.Slot, Gen: id.Gen | closed},
		{Slot: id.Slot + 1, Gen: id.Gen}, // never dealt, though its chunk exists
		{Slot: chunk, Gen: id.Gen},
	} {
		if find(stranger) {
			t.Errorf("%v is found", stranger)
		}
	}
}

func TestGenerationsWrapRoundZero(t *testing.T) {
	var table Table[small]
	id, _ := table.Add()
	table.at(id.Slot).gen = closed - 1
	id.Gen = closed - 1
	if table.Find(id) == nil {
		t.Fatal("the last generation is not found")
	}
	table.Remove(id)
	if id, _ := table.Add(); id.Gen != 1 {
		t.Errorf("generation %d after the last", id.Gen)
	}
}

func TestOpenLeavesOutWhatIsMarkedMeanwhile(t *testing.T) {
	var table Table[small]
	var ids []poller.ID
	for range 5 {
		id, _ := table.Add()
		ids = append(ids, id)
	}
	table.Mark(ids[1])
	table.Remove(ids[2])
	var seen []poller.ID
	for id := range table.Open() {
		seen = append(seen, id)
		table.Mark(ids[3])
		table.Remove(id)
	}
	if want := []poller.ID{ids[0], ids[4]}; !slices.Equal(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
	for range table.Open() {
		t.Error("a link is left")
	}
	table.Add()
	table.Add()
	for range table.Open() {
		break // must not be called again
	}
}

// A million links of a reactor are 16 MB without a pointer.
func TestRecordIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(record[small]{}); size != 16 {
		t.Errorf("a record takes %d bytes", size)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	var table Table[small]
	turnover := func() {
		id, _ := table.Add()
		table.Find(id).fd++
		table.Mark(id)
		table.Remove(id)
	}
	turnover()
	if n := testing.AllocsPerRun(100, turnover); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// model is a table of the obvious kind.
type model struct {
	table Table[small]
	open  map[poller.ID]*small
	dying map[poller.ID]*small
	gone  []poller.ID
}

func (m *model) add(t *rapid.T) {
	id, k := m.table.Add()
	if *k != (small{}) || m.open[id] != nil || m.dying[id] != nil || slices.Contains(m.gone, id) {
		t.Fatalf("%v is not new", id)
	}
	k.fd = int32(id.Slot + 1)
	m.open[id] = k
}

func (m *model) mark(t *rapid.T) {
	id, ok := pick(t, m.open)
	if !ok {
		return
	}
	if k := m.table.Mark(id); k != m.open[id] {
		t.Fatalf("Mark of %v returned %p, want %p", id, k, m.open[id])
	}
	m.dying[id] = m.open[id]
	delete(m.open, id)
}

func (m *model) remove(t *rapid.T) {
	from := rapid.SampledFrom([]map[poller.ID]*small{m.open, m.dying}).Draw(t, "from")
	id, ok := pick(t, from)
	if !ok {
		return
	}
	m.table.Remove(id)
	delete(from, id)
	m.gone = append(m.gone, id)
}

func (m *model) check(t *rapid.T) {
	if n := m.table.Len(); n != len(m.open)+len(m.dying) {
		t.Fatalf("Len %d, want %d and %d", n, len(m.open), len(m.dying))
	}
	for id, k := range m.open {
		if m.table.Find(id) != k || m.table.Tenant(id) != k {
			t.Fatalf("%v is open and not found", id)
		}
	}
	for id, k := range m.dying {
		if m.table.Find(id) != nil || m.table.Tenant(id) != k || k.fd != int32(id.Slot+1) {
			t.Fatalf("%v is marked and not so found", id)
		}
	}
	for _, id := range m.gone {
		if m.table.Tenant(id) != nil {
			t.Fatalf("%v is gone and found", id)
		}
	}
	n := 0
	for id, k := range m.table.Open() {
		if n++; m.open[id] != k {
			t.Fatalf("Open yields %v", id)
		}
	}
	if n != len(m.open) {
		t.Fatalf("Open yields %d of %d", n, len(m.open))
	}
}

// pick draws one of links, if there is one, always the same for one seed.
func pick(t *rapid.T, links map[poller.ID]*small) (id poller.ID, ok bool) {
	if len(links) == 0 {
		return id, false
	}
	ids := make([]poller.ID, 0, len(links))
	for id := range links {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b poller.ID) int { return int(a.Slot) - int(b.Slot) })
	return rapid.SampledFrom(ids).Draw(t, "id"), true
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{open: map[poller.ID]*small{}, dying: map[poller.ID]*small{}}
		t.Repeat(map[string]func(*rapid.T){"": m.check, "add": m.add, "mark": m.mark, "remove": m.remove})
	})
}

func BenchmarkFind(b *testing.B) {
	var table Table[small]
	ids := make([]poller.ID, 1<<16)
	for i := range ids {
		ids[i], _ = table.Add()
	}
	sum, i := int32(0), 0
	for b.Loop() {
		sum += table.Find(ids[i&(1<<16-1)]).fd
		i++
	}
	if sum != 0 {
		b.Fatal(sum)
	}
}
