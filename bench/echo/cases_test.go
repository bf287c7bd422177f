package echo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oortim/oort/proto/ws"
)

const hello = "Hello, world!"

// framing is section 1: all boundaries of the length's encodings.
func framing() (cases []conformance) {
	lengths := []int{0, 125, 126, 127, 128, 65535, 65536}
	for i, n := range append(lengths, 65536) {
		p := strings.Repeat("*", n)
		cases = append(cases, good(fmt.Sprintf("1.1.%d", i+1), client{}.text(p), text(p)))
		p = strings.Repeat("\xfe", n)
		cases = append(cases, good(fmt.Sprintf("1.2.%d", i+1), client{}.binary(p), blob(p)))
	}
	return cases
}

// pings is section 2.
func pings() []conformance {
	const bytes = "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
	longest, unasked := strings.Repeat("\xfe", 125), client{}.frame(ws.OpPong, true, "unsolicited pong payload")
	var ten client
	var pongs []event
	for i := range 10 {
		ten = ten.ping(fmt.Sprint("payload-", i))
		pongs = append(pongs, pong(fmt.Sprint("payload-", i)))
	}
	return []conformance{
		good("2.1", client{}.ping(""), pong("")),
		good("2.2", client{}.ping(hello), pong(hello)),
		good("2.3", client{}.ping(bytes), pong(bytes)),
		good("2.4", client{}.ping(longest), pong(longest)),
		bad("2.5", client{}.ping(longest+"\xfe"), 1002),
		good("2.6", client{}.ping(longest), pong(longest)),
		good("2.7", client{}.frame(ws.OpPong, true, "")),
		good("2.8", unasked),
		good("2.9", unasked.ping("ping payload"), pong("ping payload")),
		good("2.10", ten, pongs...),
		good("2.11", ten, pongs...),
	}
}

// reserved is section 3: the bits that belong to extensions.
func reserved() []conformance {
	one := client{}.text(hello)
	return []conformance{
		bad("3.1", client{}.text(hello).rsv(1, client{}), 1002),
		bad("3.2", client{}.text(hello).text(hello).rsv(2, one).ping(""), 1002, text(hello)),
		bad("3.3", client{}.text(hello).text(hello).rsv(3, one).ping(""), 1002, text(hello)),
		bad("3.4", client{}.text(hello).text(hello).rsv(4, one).ping(""), 1002, text(hello)),
		bad("3.5", client{}.binary("\x00\xff\xfe").rsv(5, client{}), 1002),
		bad("3.6", client{}.binary(hello).rsv(6, client{}), 1002),
		bad("3.7", client{}.close("").rsv(7, client{}), 1002),
	}
}

// opcodes is section 4: those that mean nothing.
func opcodes() (cases []conformance) {
	for i, first := range []ws.Opcode{3, 11} {
		section := fmt.Sprintf("4.%d.", i+1)
		cases = append(cases,
			bad(section+"1", client{}.frame(first, true, ""), 1002),
			bad(section+"2", client{}.frame(first+1, true, "reserved opcode payload"), 1002),
			bad(section+"3", client{}.text(hello).frame(first+2, true, "").ping(""), 1002, text(hello)),
			bad(section+"4", client{}.text(hello).frame(first+3, true, hello).ping(""), 1002, text(hello)),
			bad(section+"5", client{}.text(hello).frame(first+4, true, hello).ping(""), 1002, text(hello)))
	}
	return cases
}

// begun is an unfinished text message; more goes on with it.
func (c client) begun(payload string) client { return c.frame(ws.OpText, false, payload) }
func (c client) more(payload string) client  { return c.frame(ws.OpContinuation, false, payload) }
func (c client) last(payload string) client  { return c.frame(ws.OpContinuation, true, payload) }

// fragments is section 5. What differs between some of Autobahn's cases is only
// how their bytes are cut, which every case here tries.
func fragments() []conformance {
	const one, two = "fragment1", "fragment2"
	whole := client{}.begun(one).last(two)
	pinged := client{}.begun(one).ping("ping payload").last(two)
	orphan := client{}.last("non-continuation payload").text(hello)
	orphanOpen := client{}.more("non-continuation payload").text(hello)
	five := client{}.begun("1").more("2").ping("pongme 1!").more("3").more("4").ping("pongme 2!").last("5")
	fiveBack := []event{pong("pongme 1!"), pong("pongme 2!"), text("12345")}
	return []conformance{
		bad("5.1", client{}.frame(ws.OpPing, false, one).last(two), 1002),
		bad("5.2", client{}.frame(ws.OpPong, false, one).last(two), 1002),
		good("5.3", whole, text(one+two)), good("5.4", whole, text(one+two)), good("5.5", whole, text(one+two)),
		good("5.6", pinged, pong("ping payload"), text(one+two)),
		good("5.7", pinged, pong("ping payload"), text(one+two)),
		good("5.8", pinged, pong("ping payload"), text(one+two)),
		bad("5.9", orphan, 1002), bad("5.10", orphan, 1002), bad("5.11", orphan, 1002),
		bad("5.12", orphanOpen, 1002), bad("5.13", orphanOpen, 1002), bad("5.14", orphanOpen, 1002),
		bad("5.15", whole.more("fragment3").text("fragment4"), 1002, text(one+two)),
		bad("5.16", client{}.more(one).begun(two).last("fragment3"), 1002),
		bad("5.17", client{}.last(one).begun(two).last("fragment3"), 1002),
		bad("5.18", client{}.begun(one).text(two), 1002),
		good("5.19", five, fiveBack...), good("5.20", five, fiveBack...),
	}
}

// closing is section 7: the closing handshake, its codes and reasons, and what
// comes behind a Close, which nobody reads.
func closing() []conformance {
	end := client{}.close(code(1000, ""))
	big := strings.Repeat("BAsd7&jh23", 256<<10/10)
	cases := []conformance{
		good("7.1.1", client{}.text(hello), text(hello)),
		bad("7.1.2", end.close(""), 1000),
		bad("7.1.3", end.ping(""), 1000),
		bad("7.1.4", end.text(hello), 1000),
		bad("7.1.5", client{}.begun("fragment1").close(code(1000, "")).last("fragment2"), 1000),
		bad("7.1.6", client{}.text(big).text(hello).close(code(1000, "")).ping(""), 1000, text(big), text(hello)),
		{id: "7.3.1", send: client{}.close("").b, want: []event{closedBare}},
		bad("7.3.2", client{}.close("a"), 1002),
		bad("7.3.3", end, 1000),
		bad("7.3.4", client{}.close(code(1000, "Hello World!")), 1000),
		bad("7.3.5", client{}.close(code(1000, strings.Repeat("*", 123))), 1000),
		bad("7.3.6", client{}.close(code(1000, strings.Repeat("*", 124))), 1002),
		bad("7.5.1", client{}.close(code(1000, "κόσμε\xed\xa0\x80edited")), 1007),
		bad("7.13.1", client{}.close(code(5000, "")), 1002),
		bad("7.13.2", client{}.close(code(65535, "")), 1002),
	}
	for i, n := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		cases = append(cases, bad(fmt.Sprintf("7.7.%d", i+1), client{}.close(code(n, "")), int(n)))
	}
	for i, n := range []uint16{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		cases = append(cases, bad(fmt.Sprintf("7.9.%d", i+1), client{}.close(code(n, "")), 1002))
	}
	return cases
}

// long is sections 9 and 10, with a sixteenth of the bytes: the suite itself
// has them all.
func long() (cases []conformance) {
	for i, n := range []int{4 << 10, 16 << 10, 64 << 10, 256 << 10, 512 << 10, 1 << 20} {
		p := strings.Repeat("BAsd", n/4)
		cases = append(cases,
			good(fmt.Sprintf("9.1.%d", i+1), client{}.text(p), text(p)),
			good(fmt.Sprintf("9.2.%d", i+1), client{}.binary(p), blob(p)))
	}
	p := strings.Repeat("0123456789abcdef", 64<<10/16)
	for i := range 9 {
		n := 4 << (2 * i)
		cases = append(cases,
			good(fmt.Sprintf("9.3.%d", i+1), client{}.inFragments(ws.OpText, p, n), text(p)),
			good(fmt.Sprintf("9.4.%d", i+1), client{}.inFragments(ws.OpBinary, p, n), blob(p)))
	}
	for i := range 6 {
		asText, asBinary := good(fmt.Sprintf("9.5.%d", i+1), client{}.text(p), text(p)), good(fmt.Sprintf("9.6.%d", i+1), client{}.binary(p), blob(p))
		asText.chop, asBinary.chop = 64<<i, 64<<i
		cases = append(cases, asText, asBinary)
	}
	for i, n := range []int{0, 16, 64, 256, 1024, 4096} {
		var texts, binaries client
		var textsBack, binariesBack []event
		for range 60 {
			texts, textsBack = texts.text(p[:n]), append(textsBack, text(p[:n]))
			binaries, binariesBack = binaries.binary(p[:n]), append(binariesBack, blob(p[:n]))
		}
		cases = append(cases,
			good(fmt.Sprintf("9.7.%d", i+1), texts, textsBack...),
			good(fmt.Sprintf("9.8.%d", i+1), binaries, binariesBack...))
	}
	p = strings.Repeat("*", 65536)
	return append(cases, good("10.1.1", client{}.inFragments(ws.OpText, p, 1300), text(p)))
}

// inFragments sends a message in fragments of n bytes.
func (c client) inFragments(op ws.Opcode, payload string, n int) client {
	b := slices.Clip(c.b)
	for len(payload) > n {
		b = ws.AppendMasked(b, op, false, maskingKey, []byte(payload[:n]))
		op, payload = ws.OpContinuation, payload[n:]
	}
	return client{ws.AppendMasked(b, op, true, maskingKey, []byte(payload))}
}
