package ws

import "testing"

// Frames of every link go through these, so none may feed the collector; what
// is refused costs nothing either, since strangers can make it happen.
func TestNoAllocations(t *testing.T) {
	payload := make([]byte, 1000)
	in := AppendMasked(nil, OpBinary, true, key, payload)
	bye := AppendClose(nil, CodeNormal, "bye")
	text := AppendMasked(nil, OpText, true, [4]byte{}, []byte("κόσμε"))
	dst := make([]byte, 0, 2048)
	var s State
	var stream Stream
	var sink Part
	var chunk Chunk
	r := Request{Key: rfcKey, Protocol: "oort"}
	head := []byte(upgrade())
	bad := []byte(upgrade("-Host"))
	for name, f := range map[string]func(){
		"Next":                  func() { sink, _, _ = s.Next(in, Limits{}) },
		"Next, cut":             func() { sink, _, _ = s.Next(in[:500], Limits{}) },
		"Next, refused":         func() { sink, _, _ = s.Next(bye, Limits{}) },
		"Stream.Next":           func() { chunk, _, _ = stream.Next(text, Limits{}) },
		"Stream.Next, refused":  func() { chunk, _, _ = new(Stream).Next(bye, Limits{}) },
		"ParseHeader":           func() { _, _, _ = ParseHeader(in) },
		"AppendHeader":          func() { dst = AppendHeader(dst[:0], OpBinary, true, 70000) },
		"AppendFrame":           func() { dst = AppendFrame(dst[:0], OpBinary, payload) },
		"AppendMasked":          func() { dst = AppendMasked(dst[:0], OpBinary, true, key, payload) },
		"AppendClose":           func() { dst = AppendClose(dst[:0], 3005, "draining") },
		"AppendAccept":          func() { dst = AppendAccept(dst[:0], &r) },
		"AppendReject":          func() { dst = AppendReject(dst[:0], errVersion) },
		"ParseRequest, cut":     func() { _, _, _ = ParseRequest(head[:100], HeadLimits{}) },
		"ParseRequest, refused": func() { _, _, _ = ParseRequest(bad, HeadLimits{}) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	_, _ = sink, chunk
	// Target, Host and Key; a link keeps them, and not the head.
	if n := testing.AllocsPerRun(100, func() { _, _, _ = ParseRequest(head, HeadLimits{}) }); n > 3 {
		t.Errorf("ParseRequest: %v allocations for three strings", n)
	}
}

func BenchmarkMask(b *testing.B) {
	buf := make([]byte, 16<<10)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		mask(buf, key)
	}
}

// BenchmarkMaskBytes is what BenchmarkMask is compared with.
func BenchmarkMaskBytes(b *testing.B) {
	buf := make([]byte, 16<<10)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		for i := range buf {
			buf[i] ^= key[i&3]
		}
	}
}

func BenchmarkNext(b *testing.B) {
	in := AppendMasked(nil, OpBinary, true, key, make([]byte, 100))
	var s State
	for b.Loop() {
		if _, n, err := s.Next(in, Limits{}); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkParseRequest(b *testing.B) {
	head := []byte(upgrade("Origin: https://example.com", "User-Agent: Mozilla/5.0 (X11; Linux x86_64)", "Cookie: a=b"))
	for b.Loop() {
		if _, n, err := ParseRequest(head, HeadLimits{}); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

// What a byte of a dripped head costs: each one looks at all before it.
func BenchmarkParseRequestCut(b *testing.B) {
	head := []byte(add(upgrade(), "X-A: "+string(make([]byte, 7000))))
	head = head[:len(head)-4]
	for b.Loop() {
		if _, n, err := ParseRequest(head, HeadLimits{}); n != 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}
