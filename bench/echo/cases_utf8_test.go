package echo

import (
	"fmt"
	"strings"

	"github.com/oortim/oort/proto/ws"
)

const kosme = "κ\u1f79σμε" // with a character of three bytes

// utf8Cases is section 6.
func utf8Cases() []conformance {
	const umlauts, edited = "Hello-µ@ßöäüàá-UTF-8!!", "edited"
	surrogate, beyond := kosme+"\xed\xa0\x80"+edited, kosme+"\xf4\x90\x80\x80"+edited
	cases := []conformance{
		good("6.1.1", client{}.text(""), text("")),
		good("6.1.2", client{}.begun("").more("").last(""), text("")),
		good("6.1.3", client{}.begun("").more("middle frame payload").last(""), text("middle frame payload")),
		good("6.2.1", client{}.text(umlauts), text(umlauts)),
		good("6.2.2", client{}.begun("Hello-µ@ßöä").last("üàá-UTF-8!!"), text(umlauts)),
		good("6.2.3", client{}.inFragments(ws.OpText, umlauts, 1), text(umlauts)),
		good("6.2.4", client{}.inFragments(ws.OpText, kosme, 1), text(kosme)),
		bad("6.3.1", client{}.text(surrogate), 1007),
		bad("6.3.2", client{}.inFragments(ws.OpText, surrogate, 1), 1007),
		// The client stops at the byte that proves it, and must be told.
		bad("6.4.1", client{}.begun(kosme).more("\xf4\x90\x80\x80"), 1007),
		bad("6.4.2", client{}.begun(kosme+"\xf4").more("\x90"), 1007),
		bad("6.4.3", upTo(client{}.text(beyond), len("\x80\x80"+edited)-2), 1007),
		bad("6.4.4", upTo(client{}.text(beyond), len("\x80\x80"+edited)), 1007),
	}
	for i, section := range kuhn() {
		for j, c := range section {
			id := fmt.Sprintf("6.%d.%d", i+5, j+1)
			if c.valid {
				cases = append(cases, good(id, client{}.text(c.text), text(c.text)))
			} else {
				cases = append(cases, bad(id, client{}.text(c.text), 1007))
			}
		}
	}
	return cases
}

// upTo is c without its last n bytes.
func upTo(c client, n int) client { return client{c.b[:len(c.b)-n]} }

// sample is a text, and whether it is UTF-8.
type sample struct {
	valid bool
	text  string
}

func valid(texts ...string) []sample   { return samples(true, texts) }
func invalid(texts ...string) []sample { return samples(false, texts) }

func samples(valid bool, texts []string) (s []sample) {
	for _, t := range texts {
		s = append(s, sample{valid, t})
	}
	return s
}

// kuhn is the table of Autobahn's sections 6.5 to 6.23, after Markus Kuhn's
// "UTF-8 decoder capability and stress test".
func kuhn() [][]sample {
	cut := []string{
		"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
	}
	return [][]sample{
		valid("hello$world", "hello\u00a2world", "hello\u20acworld", "hello\U00024b62world", kosme), // 6.5
		prefixes(kosme), // 6.6
		valid("\x00", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"),                                                        // 6.7: first of each length
		invalid("\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"),                                                          // 6.8: of five and six
		valid("\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"),                                                        // 6.9: last of each length
		invalid("\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"),                                      // 6.10: beyond
		append(valid("\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf"), sample{false, "\xf4\x90\x80\x80"}), // 6.11
		invalid("\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf",
			string(span(0x80, 0xbf, ""))), // 6.12: continuation without start
		invalid(string(span(0xc0, 0xdf, " ")), string(span(0xe0, 0xef, " ")), string(span(0xf0, 0xf7, " ")),
			string(span(0xf8, 0xfb, " ")), string(span(0xfc, 0xfd, " "))), // 6.13: start without continuation
		invalid(cut...),                             // 6.14: last byte missing
		invalid(strings.Join(cut, "")),              // 6.15
		invalid("\xfe", "\xff", "\xfe\xfe\xff\xff"), // 6.16: impossible bytes
		invalid("\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"),             // 6.17: overlong
		invalid("\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"),             // 6.18: at most
		invalid("\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"),             // 6.19: NUL
		invalid("\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"), // 6.20: surrogates
		invalid(pairs()...),       // 6.21
		valid(nonCharacters()...), // 6.22
		valid("\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffd", "\ufffe", "\uffff"), // 6.23: specials
	}
}

// prefixes of s, the whole one too: valid where they end between characters.
func prefixes(s string) (all []sample) {
	for n := 1; n <= len(s); n++ {
		all = append(all, sample{n == len(s) || s[n]&0xc0 != 0x80, s[:n]})
	}
	return all
}

// span is the bytes from first to before end, each followed by sep.
func span(first, end byte, sep string) (b []byte) {
	for c := first; c < end; c++ {
		b = append(append(b, c), sep...)
	}
	return b
}

// pairs of surrogates.
func pairs() (all []string) {
	for _, high := range []string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf"} {
		for _, low := range []string{"\xed\xb0\x80", "\xed\xbf\xbf"} {
			all = append(all, high+low)
		}
	}
	return all
}

// nonCharacters are the last two code points of each plane, which are none but
// have an encoding.
func nonCharacters() (all []string) {
	for plane := rune(0); plane <= 16; plane++ {
		all = append(all, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	return all
}
