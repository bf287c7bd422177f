package ws

import (
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"

	"pgregory.net/rapid"
)

// feed gives b to a fresh Text in pieces of n bytes, and says how many bytes
// it had seen when it refused; -1 if it never did.
func feed(b string, n int) (refusedAt int, whole bool) {
	var t Text
	for at := 0; at < len(b); at += n {
		end := min(at+n, len(b))
		if !t.Take([]byte(b[at:end])) {
			return end, false
		}
	}
	return -1, t.Whole()
}

// beginsText is the slow truth: some bytes behind b make it UTF-8. Those at the
// ends of the ranges of RFC 3629 4 are enough to try.
func beginsText(b string) bool {
	tails := []string{""}
	for range utf8.UTFMax {
		var longer []string
		for _, tail := range tails {
			if utf8.ValidString(b + tail) {
				return true
			}
			for _, c := range []string{"\x80", "\x8f", "\x90", "\x9f", "\xa0", "\xbf"} {
				longer = append(longer, tail+c)
			}
		}
		tails = longer
	}
	return false
}

// checkText compares Text with the standard library and with beginsText.
func checkText(t fataler, b string) {
	want := -1
	for n := range len(b) + 1 {
		if !beginsText(b[:n]) {
			want = n
			break
		}
	}
	if at, whole := feed(b, 1); at != want || whole != (want < 0 && utf8.ValidString(b)) {
		t.Fatalf("%q: refused at byte %d, whole %v; want %d", b, at, whole, want)
	}
	for n := 2; n <= len(b)+1; n++ {
		at, whole := feed(b, n)
		if (at < 0) != (want < 0) || whole != utf8.ValidString(b) {
			t.Fatalf("%q in pieces of %d: refused at %d, whole %v; want %d", b, n, at, whole, want)
		}
		if at >= 0 && (at < want || at >= want+n) {
			t.Fatalf("%q in pieces of %d: refused at %d, byte %d proves it", b, n, at, want)
		}
	}
}

// The boundaries of RFC 3629 4, each side of each.
func TestTextBoundaries(t *testing.T) {
	for _, c := range []struct {
		text    string
		refused int // by which byte, counted from 1; -1: never
		whole   bool
	}{
		{"", -1, true},
		{"\x00", -1, true},
		{"\x7f", -1, true},
		{"\x80", 1, false},
		{"\xbf", 1, false},
		{"\xc0", 1, false},
		{"\xc1\xbf", 1, false},
		{"\xc2", -1, false},
		{"\xc2\x80", -1, true},
		{"\xdf\xbf", -1, true},
		{"\xdf\x7f", 2, false},
		{"\xdf\xc0", 2, false},
		{"\xe0\x9f\xbf", 2, false},
		{"\xe0\xa0", -1, false},
		{"\xe0\xa0\x80", -1, true},
		{"\xe0\xa0\x7f", 3, false},
		{"\xed\x9f\xbf", -1, true},
		{"\xed\xa0\x80", 2, false},
		{"\xed\xbf\xbf", 2, false},
		{"\xee\x80\x80", -1, true},
		{"\xef\xbf\xbf", -1, true},
		{"\xf0\x8f\xbf\xbf", 2, false},
		{"\xf0\x90\x80", -1, false},
		{"\xf0\x90\x80\x80", -1, true},
		{"\xf4\x8f\xbf\xbf", -1, true},
		{"\xf4\x90\x80\x80", 2, false},
		{"\xf4\x8f\xbf\xc0", 4, false},
		{"\xf5", 1, false},
		{"\xff", 1, false},
		{"κόσμε\xf4\x90\x80\x80edited", len("κόσμε") + 2, false},
		{"κόσμε\xed\xa0", len("κόσμε") + 2, false},
		{"ascii ascii ascii ascii\xe2\x82\xacascii", -1, true},
		{strings.Repeat("é", 20) + "\xe2\x82", -1, false},
	} {
		if at, whole := feed(c.text, 1); at != c.refused || whole != c.whole {
			t.Errorf("%q: refused at byte %d, whole %v; want %d, %v", c.text, at, whole, c.refused, c.whole)
		}
		checkText(t, c.text)
	}
}

// Every character is taken, and no surrogate, however it is cut.
func TestTextTakesAllCharacters(t *testing.T) {
	for first := rune(0); first <= utf8.MaxRune; first += 256 {
		if first >= 0xd800 && first < 0xe000 {
			continue
		}
		var block []byte
		for r := first; r < first+256; r++ {
			block = utf8.AppendRune(block, r)
		}
		for n := 1; n <= utf8.UTFMax; n++ {
			if at, whole := feed(string(block), n); at >= 0 || !whole {
				t.Fatalf("from U+%04X in pieces of %d: refused at %d, whole %v", first, n, at, whole)
			}
		}
	}
	for r := 0xd800; r < 0xe000; r++ {
		surrogate := string([]byte{0xed, 0x80 | byte(r>>6&0x3f), 0x80 | byte(r&0x3f)})
		for n := 1; n <= len(surrogate); n++ {
			if at, _ := feed(surrogate, n); at != max(2, n) {
				t.Fatalf("U+%04X in pieces of %d: refused at %d", r, n, at)
			}
		}
	}
}

func TestTextHoweverCut(t *testing.T) {
	character := rapid.SampledFrom([]string{"a", "é", "€", "𤭢", "\xed", "\xf4\x8f", "\x80", "\xe2\x82", "\xf0"})
	rapid.Check(t, func(t *rapid.T) {
		checkText(t, strings.Join(rapid.SliceOfN(character, 0, 8).Draw(t, "text"), ""))
	})
}

func FuzzText(f *testing.F) {
	f.Add("κόσμε")
	f.Add("\xf4\x90\x80\x80")
	f.Add("a\xed\xa0\x80b")
	f.Fuzz(func(t *testing.T, b string) { checkText(t, b[:min(len(b), 40)]) })
}

func TestTextIsSmall(t *testing.T) {
	if text, stream := unsafe.Sizeof(Text{}), unsafe.Sizeof(Stream{}); text > 4 || stream > 28 {
		t.Errorf("a Text takes %d bytes, a Stream %d", text, stream)
	}
}

// BenchmarkText is what checking text costs: 64 KiB of ASCII, and of characters
// of three bytes, in pieces of 1,460.
func BenchmarkText(b *testing.B) {
	for name, character := range map[string]string{"ascii": "a", "euro": "€"} {
		text := []byte(strings.Repeat(character, 64<<10/len(character)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var t Text
				for at := 0; at < len(text); at += 1460 {
					if !t.Take(text[at:min(at+1460, len(text))]) {
						b.Fatal("refused")
					}
				}
			}
		})
	}
}
