package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Page is one tab. Its methods fail the test that opened it.
type Page struct {
	t       testing.TB
	browser *Browser
	session string

	mu       sync.Mutex // guards problems
	problems []string
}

// Open opens url in a new window, so that the page counts as visible beside
// others.
func (b *Browser) Open(t testing.TB, url string) *Page {
	t.Helper()
	p := &Page{t: t, browser: b}
	var target struct{ TargetID string }
	p.must(b.call("", "Target.createTarget", map[string]any{"url": "about:blank", "newWindow": true}, &target))
	var attached struct{ SessionID string }
	p.must(b.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached))
	p.session = attached.SessionID
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	t.Cleanup(func() {
		_ = b.call("", "Target.closeTarget", map[string]any{"targetId": target.TargetID}, nil)
	})
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		p.do(domain+".enable", nil)
	}
	p.Go(url)
	return p
}

// Go navigates to url and waits until the page has loaded.
func (p *Page) Go(url string) {
	p.t.Helper()
	var nav struct{ ErrorText string }
	p.must(p.browser.call(p.session, "Page.navigate", map[string]any{"url": url}, &nav))
	if nav.ErrorText != "" {
		p.t.Fatalf("browser: %s: %s", url, nav.ErrorText)
	}
	p.Wait(`document.readyState === "complete" && location.href !== "about:blank"`)
}

func (p *Page) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

func (p *Page) do(method string, params any) {
	p.t.Helper()
	if params == nil {
		params = struct{}{}
	}
	p.must(p.browser.call(p.session, method, params, nil))
}

// event gathers what the page did wrong.
func (p *Page) event(m message) {
	var e struct {
		ExceptionDetails exception `json:"exceptionDetails"`
		Entry            struct{ Level, Source, Text, URL string }
		Type             string
		Args             []struct{ Value, Description any }
	}
	_ = json.Unmarshal(m.Params, &e)
	switch {
	case m.Method == "Runtime.exceptionThrown":
		p.problem("exception: " + e.ExceptionDetails.String())
	case m.Method == "Runtime.consoleAPICalled" && e.Type == "error":
		p.problem(fmt.Sprint("console: ", e.Args))
	case m.Method == "Log.entryAdded" && e.Entry.Level == "error":
		p.problem(e.Entry.Source + ": " + e.Entry.Text + " " + e.Entry.URL)
	}
}

func (p *Page) problem(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, s)
}

// Problems are the exceptions, console errors and violations of the content
// security policy so far, without those that contain one of ignore (a server
// that is down is reported as well).
func (p *Page) Problems(ignore ...string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var left []string
next:
	for _, s := range p.problems {
		for _, i := range ignore {
			if strings.Contains(s, i) {
				continue next
			}
		}
		left = append(left, s)
	}
	return left
}

type exception struct {
	Text      string
	Exception struct{ Description string }
}

func (e exception) String() string { return e.Text + " " + e.Exception.Description }

// eval runs a JavaScript expression, waits for it if it is a promise, and
// decodes its JSON into out unless that is nil.
func (p *Page) eval(expr string, out any) error {
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *exception
	}
	err := p.browser.call(p.session, "Runtime.evaluate", map[string]any{
		"expression": expr, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &r)
	switch {
	case err != nil:
		return err
	case r.ExceptionDetails != nil:
		return fmt.Errorf("%s\nin %.500s", r.ExceptionDetails, expr)
	case out == nil:
		return nil
	case r.Result.Value == nil: // undefined
		return nil
	}
	return json.Unmarshal(r.Result.Value, out)
}

// Eval is the value of a JavaScript expression, which may be a promise.
func (p *Page) Eval(expr string, out any) {
	p.t.Helper()
	p.must(p.eval(expr, out))
}

// Text is the value of an expression that is a string.
func (p *Page) Text(expr string) string {
	p.t.Helper()
	var s string
	p.Eval(expr, &s)
	return s
}

// Wait returns when expr has become true.
func (p *Page) Wait(expr string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var ok bool
		err := p.eval("!!("+expr+")", &ok)
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			p.Screenshot(filepath.Join(os.TempDir(), "oort-page-failed.png"))
			p.t.Fatalf("browser: %s did not come true in %v (%v)\nproblems: %q", expr, patience, err, p.Problems())
		}
		time.Sleep(20 * time.Millisecond) // a new look, not a guess at how long it takes
	}
}

// Click clicks the element that selector names.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.Eval(fmt.Sprintf("document.querySelector(%q).click()", selector), nil)
}

// Type replaces what is in an input by text, as if typed.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.Eval(fmt.Sprintf("(e => { e.focus(); e.select() })(document.querySelector(%q))", selector), nil)
	if text == "" {
		p.Eval(`document.activeElement.value = ""`, nil)
		return
	}
	p.do("Input.insertText", map[string]any{"text": text})
}

// Enter presses the Enter key.
func (p *Page) Enter() {
	p.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		p.do("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13})
	}
}

// Size sets the viewport, in CSS pixels.
func (p *Page) Size(width, height int, phone bool) {
	p.t.Helper()
	scale := 1
	if phone {
		scale = 2
	}
	p.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone})
}

// Dark switches the colour scheme.
func (p *Page) Dark(on bool) {
	p.t.Helper()
	value := "light"
	if on {
		value = "dark"
	}
	p.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": value}}})
}

// Screenshot writes the viewport as PNG.
func (p *Page) Screenshot(file string) {
	p.t.Helper()
	var shot struct{ Data []byte }
	p.must(p.browser.call(p.session, "Page.captureScreenshot", map[string]any{"format": "png"}, &shot))
	p.must(os.WriteFile(file, shot.Data, 0o600))
}
