package js_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oortim/oort/client/js"
	"github.com/oortim/oort/client/js/browser"
	"github.com/oortim/oort/proto/frame"
)

// TestPage runs the live-room page against a gateway in this process.
func TestPage(t *testing.T) {
	b := browser.Start(t)
	t.Run("two tabs", func(t *testing.T) { testTwoTabs(t, b) })
	t.Run("restart", func(t *testing.T) { testRestart(t, b) })
	t.Run("hostile text", func(t *testing.T) { testHostileText(t, b) })
	t.Run("flood", func(t *testing.T) { testFlood(t, b) })
	t.Run("rooms", func(t *testing.T) { testRooms(t, b) })
	t.Run("bearer key", func(t *testing.T) { testBearer(t, b) })
	t.Run("kicked", func(t *testing.T) { testKicked(t, b) })
	t.Run("phone", func(t *testing.T) { testPhone(t, b) })
}

const live = `document.querySelector("#state").dataset.state === "open"`

func has(text string) string {
	return fmt.Sprintf(`document.querySelector("#log").innerText.includes(%q)`, text)
}

func say(p *browser.Page, text string) {
	p.Type("#text", text)
	p.Enter()
	p.Wait(`document.querySelector("#text").value === ""`)
}

// shot keeps a screenshot where OORT_SCREENSHOTS says, for people.
func shot(t *testing.T, p *browser.Page, name string) {
	if dir := os.Getenv("OORT_SCREENSHOTS"); dir != "" {
		p.Screenshot(filepath.Join(dir, name+".png"))
	}
}

func noProblems(t *testing.T, p *browser.Page, ignore ...string) {
	t.Helper()
	if bad := p.Problems(ignore...); len(bad) > 0 {
		t.Errorf("problems on the page: %q", bad)
	}
}

func testTwoTabs(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	one, two := b.Open(t, g.http()+"/?room=live://7"), b.Open(t, g.http()+"/?room=live://7")
	one.Size(1100, 760, false)
	one.Wait(live)
	two.Wait(live)
	shot(t, one, "empty")
	say(one, "hello from one")
	two.Wait(has("hello from one"))
	say(two, "hello from two")
	one.Wait(has("hello from two"))
	one.Wait(`document.querySelector("#received").textContent === "2"`)
	one.Eval(`document.dispatchEvent(new Event("visibilitychange"))`, nil) // asks for the count now
	one.Wait(`document.querySelector("#online").textContent === "2"`)
	noProblems(t, one)
	noProblems(t, two)
}

func testRestart(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := b.Open(t, g.http()+"/")
	p.Size(1100, 760, false)
	p.Wait(live)
	g.stop()
	p.Wait(`document.querySelector("#state").dataset.state === "waiting"`)
	p.Wait(`!document.querySelector("#notice").hidden`)
	shot(t, p, "reconnecting")
	g.start()
	p.Wait(live)
	p.Wait(`document.querySelector("#notice").hidden`)
	say(p, "back again")
	p.Wait(has("back again"))
	noProblems(t, p, "ERR_CONNECTION")
}

// What others say is text, whatever it looks like.
func testHostileText(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := b.Open(t, g.http()+"/")
	p.Wait(live)
	const evil = `<img src=x onerror="window.owned=1"><script>window.owned=1</script>`
	for _, body := range []string{
		evil, `{"name":"<b>x</b>","text":"` + strings.ReplaceAll(evil, `"`, `\"`) + `"}`, `{"name":{},"text":7}`, `{`, "\xff\xfe", "",
		"\u202eright to left", strings.Repeat("w", 5000),
	} {
		g.send(mk(1000, 0, body))
	}
	g.send(mk(frame.OpGap, 0, `{"room":"live://1000","lane":"<b>chat</b>","skipped":37}`))
	p.Wait(has("37 messages of lane <b>chat</b> were dropped"))
	var got struct {
		Items, Inside, Wide int
		Owned               bool
	}
	p.Eval(`({items: document.querySelectorAll("#log > li").length, owned: "owned" in window,
		inside: document.querySelectorAll("#log :is(img, script, #log b > *)").length,
		wide: document.documentElement.scrollWidth - innerWidth})`, &got)
	if got.Items != 9 || got.Inside != 0 || got.Owned || got.Wide > 0 {
		t.Errorf("got %+v", got)
	}
	noProblems(t, p)
}

// The page holds a few hundred messages, however many come, and a reader who
// has scrolled up keeps the place.
func testFlood(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := b.Open(t, g.http()+"/")
	p.Wait(live)
	const batches, each = 40, 50
	flood := func(round string) {
		for i := range batches {
			var batch []byte
			for j := range each {
				batch = append(batch, mk(1000, 0, fmt.Sprintf("%s %d", round, i*each+j))...)
			}
			g.send(frame.Append(nil, frame.OpBatch, 0, batch))
		}
	}
	const items = `document.querySelectorAll("#log > li").length`
	flood("first")
	p.Wait(has("first 1999"))
	p.Wait(`document.querySelector("#received").textContent === "2K"`)
	p.Wait(items + " === 300")
	p.Wait(`(s => s.scrollHeight - s.scrollTop - s.clientHeight < 40)(document.querySelector("#scroll"))`)
	p.Eval(`document.querySelector("#scroll").scrollTop = 2000`, nil)
	p.Wait(`document.querySelector("#scroll").scrollTop === 2000`)
	g.send(mk(1000, 0, "one more"))
	p.Wait(`document.querySelector("#latest").textContent === "↓ 1 new"`)
	p.Click("#latest")
	p.Wait(`document.querySelector("#latest").hidden`)
	flood("second")
	p.Wait(has("second 1999"))
	p.Wait(items + " === 300")
	noProblems(t, p)
}

func testRooms(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := b.Open(t, g.http()+"/?room=live://1")
	p.Wait(live)
	p.Type("#room", "live://2")
	p.Enter()
	p.Wait(`location.search.includes("live")`)
	g.wait(t, func() bool {
		for _, room := range g.links {
			return room == "live://2"
		}
		return false
	})
	g.sendTo("live://1", mk(1000, 0, "for the old room"))
	g.sendTo("live://2", mk(1000, 0, "for the new room"))
	p.Wait(has("for the new room"))
	if p.Text(`String(`+has("old room")+`)`) == "true" {
		t.Error("a message of the old room")
	}
	p.Type("#room", "not a room")
	p.Enter()
	if got := p.Text(`document.querySelector("#room:invalid")?.value ?? ""`); got != "not a room" {
		t.Errorf("took %q", got)
	}
	noProblems(t, p)
}

func testBearer(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	g.bearer = "s3cret"
	p := b.Open(t, g.http()+"/")
	p.Wait(live)
	p.Type("#text", "guarded")
	p.Enter()
	p.Wait(`document.querySelector("#notice").innerText.includes("bearer key")`)
	p.Click("#notice-action")
	p.Wait(`document.querySelector("#settings").open`)
	p.Size(1100, 760, false)
	shot(t, p, "settings")
	p.Type(`[name="bearer"]`, "s3cret")
	p.Type(`[name="name"]`, "Ada")
	p.Click(`#settings [value="save"]`)
	// The dialog is shut before its close event has been handled.
	p.Wait(`sessionStorage.getItem("oort.bearer") === "s3cret"`)
	say(p, "opened")
	p.Wait(has("opened"))
	p.Wait(`document.querySelector("#log .own b").textContent === "Ada"`)
	if got := p.Text("JSON.stringify(Object.values(localStorage))"); strings.Contains(got, "s3cret") {
		t.Error("the key outlives the tab")
	}
	p.Eval(`localStorage.clear()`, nil)
	noProblems(t, p, "401")
}

func testKicked(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := b.Open(t, g.http()+"/")
	p.Wait(live)
	g.send(mk(frame.OpDisconnect, 0, `{"code":3008,"reason":"kicked"}`))
	g.cut()
	p.Wait(`document.querySelector("#notice-text").textContent.includes("kicked")`)
	p.Wait(`document.querySelector("#state").dataset.state === "closed"`)
	p.Click("#notice-action") // Join again
	p.Wait(live)
	noProblems(t, p)
}

// Nothing is cut off on a small phone, dark or light.
func testPhone(t *testing.T, b *browser.Browser) {
	g := newGateway(t)
	p := b.Open(t, g.http()+"/")
	for _, width := range []int{320, 390, 1100} {
		p.Size(width, 760, width < 500)
		p.Dark(width == 390)
		p.Wait(live)
		p.Wait(fmt.Sprintf("(innerWidth < 500 ? screen.width : innerWidth) === %d", width))
		g.send(mk(1000, 0, `{"name":"Grace Hopper","text":"The most dangerous phrase in the language is: we have always done it this way."}`))
		g.send(mk(1000, 0, `{"name":"Ada","text":"弹幕 🎉"}`))
		g.send(mk(1002, 0, `{"gift":"rose","count":3}`))
		g.send(mk(frame.OpGap, 0, `{"room":"live://1000","lane":"ambient","skipped":37}`))
		g.send(mk(1000, 0, "plain text from a terminal, "+fmt.Sprint(width)))
		p.Wait(has("a terminal, " + fmt.Sprint(width)))
		var over []string
		p.Eval(fmt.Sprintf(`[...document.querySelectorAll("body *")].filter(e => e.checkVisibility() && !e.closest("svg, .hidden-label"))
			.filter(e => { const r = e.getBoundingClientRect(); return r.width && (r.right > %d.5 || r.left < -.5) })
			.map(e => e.tagName + "#" + e.id + "." + e.className)`, width), &over)
		if len(over) > 0 {
			t.Errorf("at %d pixels these stick out: %q", width, over)
		}
		shot(t, p, fmt.Sprintf("page-%d", width))
	}
	noProblems(t, p)
}

func TestHandler(t *testing.T) {
	h := js.Handler()
	get := func(method, path, match string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		if match != "" {
			r.Header.Set("If-None-Match", match)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	types := map[string]string{
		"/": "text/html; charset=utf-8", "/index.html": "text/html; charset=utf-8", "/style.css": "text/css; charset=utf-8",
		"/app.js": "text/javascript; charset=utf-8", "/feed.js": "text/javascript; charset=utf-8", "/meter.js": "text/javascript; charset=utf-8",
		"/oort.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml",
	}
	for path, want := range types {
		w := get("GET", path, "")
		if w.Code != 200 || w.Header().Get("Content-Type") != want || w.Body.Len() == 0 {
			t.Errorf("%s: %d %q", path, w.Code, w.Header().Get("Content-Type"))
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", path, w.Header())
		}
		if again := get("GET", path, w.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s: asked again: %d", path, again.Code)
		}
	}
	for _, path := range []string{"/embed.go", "/testdata/frames.json", "/nothing", "/../etc/passwd", "/goim/"} {
		if w := get("GET", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := get("POST", "/", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	if w := get("HEAD", "/", ""); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", w.Code, w.Body.Len())
	}
}
