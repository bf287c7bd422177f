package js_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/oortim/oort/client/js"
	"github.com/oortim/oort/client/js/browser"
	"github.com/oortim/oort/proto/frame"
)

// TestSDK runs oort.js in a browser, against a gateway in this process.
func TestSDK(t *testing.T) {
	b := browser.Start(t)
	t.Run("vectors", func(t *testing.T) { testVectors(t, b) })
	t.Run("backoff", func(t *testing.T) { testBackoff(t, b) })
	t.Run("link", func(t *testing.T) { testLink(t, b) })
	t.Run("calls", func(t *testing.T) { testCalls(t, b) })
	t.Run("room", func(t *testing.T) { testRoomWhileConnecting(t, b) })
	t.Run("advice", func(t *testing.T) { testAdvice(t, b) })
	t.Run("awake", func(t *testing.T) { testAwake(t, b) })
	t.Run("final", func(t *testing.T) { testFinal(t, b) })
	t.Run("silence", func(t *testing.T) { testSilence(t, b) })
	t.Run("broken frames", func(t *testing.T) { testBroken(t, b) })
	t.Run("close", func(t *testing.T) { testClose(t, b) })
}

// sdkPage is a page that has the module as `oort` and nothing else.
func sdkPage(t *testing.T, b *browser.Browser) *browser.Page {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, `<link rel="icon" href="/icon.svg">`)
			return
		}
		js.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(site.Close)
	p := b.Open(t, site.URL)
	p.Eval(`import("/oort.js").then(m => { window.oort = m })`, nil)
	return p
}

// record makes `link`, whose events gather in `seen`.
func record(p *browser.Page, g *gateway, options string) {
	p.Eval(fmt.Sprintf(`(() => {
		window.seen = [];
		window.link = new oort.Oort({addr: %q, ...%s});
		for (const type of ["state", "message", "gap", "online", "lost"])
			link.addEventListener(type, ({detail: d}) => seen.push(
				type === "message" ? "message " + d.op + " " + d.seq + " " + d.text()
				: type === "lost" ? "lost " + d.error.code + " " + d.retryMs : type + " " + JSON.stringify(d)));
		link.open();
	})()`, g.ws(), options), nil)
}

func seen(p *browser.Page) string {
	var all []string
	p.Eval("seen", &all)
	return strings.Join(all, "\n")
}

type vectors struct {
	Valid, Invalid []struct{ Name, Hex string }
}

// The codec agrees with the vectors that every codec of oort is tested with.
func testVectors(t *testing.T, b *browser.Browser) {
	raw, err := os.ReadFile("testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	p := sdkPage(t, b)
	var got struct{ Valid, Invalid []string }
	p.Eval(fmt.Sprintf(`(vectors => {
		const bytes = hex => Uint8Array.from(hex.match(/../g) ?? [], x => parseInt(x, 16));
		const hex = bytes => Array.from(bytes, x => x.toString(16).padStart(2, "0")).join("");
		const attempt = f => { try { return f() } catch (e) { return e.name } };
		return {
			valid: vectors.valid.map(v => attempt(() =>
				[...oort.frames(bytes(v.hex))].map(f => hex(oort.encode(f.op, f.seq, f.body))).join(""))),
			invalid: vectors.invalid.map(v => attempt(() => { [...oort.decode(bytes(v.hex))]; return "accepted" })),
		};
	})(%s)`, raw), &got)
	if len(got.Valid) != len(v.Valid) || len(got.Invalid) != len(v.Invalid) || len(v.Valid) == 0 || len(v.Invalid) == 0 {
		t.Fatalf("ran %d and %d vectors of %d and %d", len(got.Valid), len(got.Invalid), len(v.Valid), len(v.Invalid))
	}
	for i, x := range v.Valid {
		if got.Valid[i] != x.Hex {
			t.Errorf("%s: decoded and encoded again: %s, want %s", x.Name, got.Valid[i], x.Hex)
		}
	}
	for i, x := range v.Invalid {
		if got.Invalid[i] != "FrameError" {
			t.Errorf("%s: %s", x.Name, got.Invalid[i])
		}
	}
}

func testBackoff(t *testing.T, b *browser.Browser) {
	p := sdkPage(t, b)
	var low, high []float64
	p.Eval(`[0, 1, 2, 9].map(n => oort.backoff(n, {base: 100, max: 1000, factor: 2, random: () => 0}))`, &low)
	p.Eval(`[0, 1, 2, 9].map(n => oort.backoff(n, {base: 100, max: 1000, factor: 2, random: () => 1}))`, &high)
	if fmt.Sprint(low, high) != "[50 100 200 500] [100 200 400 1000]" {
		t.Errorf("from %v to %v", low, high)
	}
}

func testLink(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := sdkPage(t, b)
	record(p, g, `{mid: 7, key: "k", room: "live://1", accepts: [1000, 18]}`)
	p.Wait(`seen.includes("online 1")`)
	if got := g.lastAuth(); got != `{"mid":7,"key":"k","room_id":"live://1","platform":"web","accepts":[1000,18]}` {
		t.Errorf("auth body %s", got)
	}
	g.send(mk(1000, 5, "one"))
	g.send(frame.Append(nil, frame.OpBatch, 0, append(mk(1000, 6, "two"), mk(1001, 7, "drei ü")...)))
	g.send(mk(frame.OpGap, 0, `{"room":"live://1","lane":"chat","skipped":37}`))
	p.Wait(`seen.some(s => s.startsWith("gap"))`)
	want := "state \"connecting\"\nstate \"open\"\nonline 1\nmessage 1000 5 one\nmessage 1000 6 two\nmessage 1001 7 drei ü\n" +
		`gap {"room":"live://1","lane":"chat","skipped":37}`
	if got := seen(p); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	g.cut() // and it comes back
	p.Wait(`seen.filter(s => s === 'state "open"').length === 2`)
}

func testCalls(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := sdkPage(t, b)
	record(p, g, `{room: "live://1"}`)
	p.Wait(`link.state === "open"`)
	var got []any
	p.Eval(`Promise.all([
		link.send("hi").then(b => new TextDecoder().decode(b)), link.heartbeat(),
		link.changeRoom("live://2").then(() => "ok"), link.addAccepts(1000, 18).then(() => "ok"), link.removeAccepts(18).then(() => "ok"),
	])`, &got)
	if fmt.Sprint(got) != "[HI 1 ok ok ok]" {
		t.Errorf("got %v", got)
	}
	if got := g.requests(); got != "4 hi, 12 live://2, 14 1000,18, 16 18" {
		t.Errorf("requests %s", got)
	}
	got = nil
	p.Eval(`(async () => { const c = link.changeRoom("vip://1"); return [await c.catch(e => e.name), link.room]; })()`, &got)
	if fmt.Sprint(got) != "[RoomDenied live://2]" {
		t.Errorf("a room that is denied: %v", got)
	}
	// A call under way fails with the link.
	got = nil
	p.Eval(`(async () => { const c = link.send("hang"); return [await c.catch(e => e.name)]; })()`, &got)
	if fmt.Sprint(got) != "[Disconnect]" {
		t.Errorf("call over a lost link: %v", got)
	}
	p.Wait(`link.state === "open"`)
	if got := g.lastAuth(); !strings.Contains(got, `"room_id":"live://2"`) {
		t.Errorf("came back with %s", got)
	}
}

// A room that is changed to behind the login of a link is not lost.
func testRoomWhileConnecting(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := sdkPage(t, b)
	p.Eval(`(() => {
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function (bytes) {
			WebSocket.prototype.send = send;
			send.call(this, bytes);
			link.changeRoom("live://2");
		};
	})()`, nil)
	record(p, g, `{room: "live://1"}`)
	p.Wait(`link.state === "open"`)
	g.wait(t, func() bool { return strings.Join(g.asked, ", ") == "12 live://2" })
}

// Op 6 says when to come back.
func testAdvice(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := sdkPage(t, b)
	record(p, g, `{}`)
	p.Wait(`link.state === "open"`)
	g.send(mk(frame.OpDisconnect, 0, `{"code":3005,"reason":"draining","retry_ms":30}`))
	g.cut()
	p.Wait(`seen.filter(s => s === 'state "open"').length === 2`)
	if got := seen(p); !strings.Contains(got, "lost 3005 30\n") {
		t.Errorf("got\n%s", got)
	}
	g.send(mk(frame.OpDisconnect, 0, `{"code":3009,"reason":"overloaded","retry_ms":3600000}`))
	g.cut()
	p.Wait(`link.state === "waiting"`)
	p.Eval(`document.dispatchEvent(new Event("visibilitychange"))`, nil) // no reason to hurry
	if state := p.Text(`link.state`); state != "waiting" {
		t.Errorf("%s in spite of the server's advice", state)
	}
	p.Eval(`link.retry()`, nil) // but a person may
	p.Wait(`link.state === "open"`)
}

// Who looks at the page again, or has a network again, need not wait for the
// backoff.
func testAwake(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := sdkPage(t, b)
	record(p, g, `{backoff: {base: 3600000, max: 3600000}}`)
	for _, event := range []string{`document.dispatchEvent(new Event("visibilitychange"))`, `dispatchEvent(new Event("online"))`} {
		p.Wait(`link.state === "open"`)
		g.cut()
		p.Wait(`link.state === "waiting"`)
		p.Eval(event, nil)
	}
	p.Wait(`link.state === "open"`)
}

func testFinal(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := sdkPage(t, b)
	for _, reason := range []string{`{"code":3004,"reason":"replaced"}`, `{"code":3999,"reason":"new","retry_ms":-1}`} {
		record(p, g, `{}`)
		p.Wait(`link.state === "open"`)
		g.send(mk(frame.OpDisconnect, 0, reason))
		g.cut()
		p.Wait(`seen.some(s => s.startsWith("lost"))`)
		if got := seen(p); !strings.HasSuffix(got, " null") || p.Text("link.state") != "closed" {
			t.Errorf("%s:\n%s", reason, got)
		}
	}
	record(p, g, `{}`)
	p.Wait(`link.state === "open"`)
	g.closeWith(3008, "kicked") // the close code alone says it too
	p.Wait(`seen.includes("lost 3008 null")`)
}

func testSilence(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := sdkPage(t, b)
	record(p, g, `{heartbeat: 20, timeout: 200}`)
	p.Wait(`seen.filter(s => s === "online 1").length >= 3`)
	g.silence(true)
	p.Wait(`seen.some(s => s.startsWith("lost 0"))`)
	g.silence(false)
	p.Wait(`link.state === "open"`)
}

func testBroken(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := sdkPage(t, b)
	for _, bad := range [][]byte{
		{1, 2, 3}, mk(1000, 0, "cut")[:17], append(mk(1000, 0, "a"), mk(1000, 0, "b")...),
		mk(frame.OpBatch, 0, "no frame"), mk(frame.OpGap, 0, "no JSON"), mk(frame.OpDisconnect, 0, "{"),
	} {
		record(p, g, `{}`)
		p.Wait(`link.state === "open"`)
		g.send(bad)
		p.Wait(`seen.some(s => s.startsWith("lost 0"))`)
		p.Eval("link.close()", nil)
	}
	if bad := p.Problems(); len(bad) > 0 {
		t.Errorf("problems: %q", bad)
	}
}

func testClose(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := sdkPage(t, b)
	record(p, g, `{}`)
	p.Wait(`link.state === "open"`)
	var err string
	p.Eval(`(async () => { const c = link.send("hang"); link.close(); return c.catch(e => e.message) })()`, &err)
	if err != "closed" {
		t.Errorf("call under way: %q", err)
	}
	g.wait(t, func() bool { return len(g.links) == 0 })
	p.Eval(`link.open()`, nil)
	p.Wait(`link.state === "open"`)
	p.Eval(`(() => { link.close(); link.open(); link.close() })()`, nil) // in the middle of connecting
	g.wait(t, func() bool { return len(g.links) == 0 })
	if state := p.Text("link.state"); state != "closed" {
		t.Error(state)
	}
}
