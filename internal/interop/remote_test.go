package interop

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// browser is a browser without a window, driven over a WebSocket of its own:
// there it is the server and this package the client.
type browser interface {
	open(url string) error              // loads a page
	reload() error                      // loads it again
	eval(script string) (string, error) // runs an expression, waits for its promise and returns its string
	click(x, y float64) error           // presses and releases the mouse
	typeText(s string) error            // presses keys
	screenshot() ([]byte, error)        // of what the window would show, as PNG
	remoteEnd() *remote
}

// remote speaks the protocol of WebDriver BiDi, or that of Chromium's
// developer tools, which differ only in the names of things.
type remote struct {
	c     *websocket.Conn
	log   func() string
	mu    sync.Mutex
	calls int
	err   error
}

func dialRemote(t testing.TB, r *running, url string) *remote {
	d := &websocket.Dialer{Config: websocket.Config{MaxMessageSize: 64 << 20}}
	c, err := d.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &remote{c: c, log: r.log}
}

// call calls a method and decodes its result, unless result is nil.
func (r *remote) call(method string, params map[string]any, result any) (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	defer func() {
		if err != nil {
			r.err = fmt.Errorf("%s: %w", method, err)
			err = r.err
		}
	}()
	if params == nil {
		params = map[string]any{}
	}
	id := r.calls
	if err := websocket.WriteJSON(r.c, map[string]any{"id": id, "method": method, "params": params}); err != nil {
		return err
	}
	m, err := r.next(func(m *remoteMessage) bool { return m.ID == id })
	switch {
	case err != nil:
		return err
	case m.Error != nil:
		return fmt.Errorf("%s %s", m.Error, m.Message)
	case result == nil:
		return nil
	}
	return json.Unmarshal(m.Result, result)
}

// event waits for an event that comes after those calls that were made.
func (r *remote) event(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.next(func(m *remoteMessage) bool { return m.Method == name })
	return err
}

type remoteMessage struct {
	ID      int             // of the call that this answers
	Error   json.RawMessage // nil, or what Chromium says, or the name of the error
	Message string          // what Firefox says of it
	Result  json.RawMessage
	Method  string // the name of an event
}

func (r *remote) next(wanted func(*remoteMessage) bool) (*remoteMessage, error) {
	r.c.SetReadDeadline(time.Now().Add(startPatience))
	for {
		m, err := websocket.ReadJSON[remoteMessage](r.c)
		if err != nil {
			r.c.Close() // a browser that does not answer is waited for once
		}
		if err != nil || wanted(&m) {
			return &m, err
		}
	}
}

// chromium

type chromium struct{ *remote }

func startChromium(t testing.TB) browser {
	r := start(t, []string{"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--no-proxy-server", "--window-size=900,1000",
		"--remote-debugging-port=0", "--user-data-dir=" + browserDir(t), "about:blank"}, nil)
	at, err := url.Parse(r.listening(t, "listening on "))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: startPatience}
	res, err := client.Get("http://" + at.Host + "/json/list")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var targets []struct{ Type, WebSocketDebuggerURL string }
	if err := json.NewDecoder(res.Body).Decode(&targets); err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		if target.Type == "page" {
			b := &chromium{dialRemote(t, r, target.WebSocketDebuggerURL)}
			if err := b.call("Page.enable", nil, nil); err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	t.Fatalf("Chromium has no page: %v", targets)
	return nil
}

// browserDir is a folder for what a browser keeps. Browsers go on writing while
// they are ended, so what is left is none of the test's business.
func browserDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "interop-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (b *chromium) remoteEnd() *remote { return b.remote }

func (b *chromium) open(url string) error {
	if err := b.call("Page.navigate", map[string]any{"url": url}, nil); err != nil {
		return err
	}
	return b.event("Page.loadEventFired")
}

func (b *chromium) reload() error {
	if err := b.call("Page.reload", nil, nil); err != nil {
		return err
	}
	return b.event("Page.loadEventFired")
}

func (b *chromium) eval(script string) (string, error) {
	var got struct {
		Result           struct{ Value string }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := b.call("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}, &got)
	if e := got.ExceptionDetails; err == nil && e != nil {
		err = fmt.Errorf("%s %s", e.Text, e.Exception.Description)
	}
	return got.Result.Value, err
}

func (b *chromium) click(x, y float64) error {
	for _, what := range []string{"mousePressed", "mouseReleased"} {
		err := b.call("Input.dispatchMouseEvent", map[string]any{"type": what, "x": x, "y": y, "button": "left", "clickCount": 1}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *chromium) typeText(s string) error {
	for _, r := range s {
		if err := b.call("Input.dispatchKeyEvent", map[string]any{"type": "char", "text": string(r)}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (b *chromium) screenshot() ([]byte, error) {
	var got struct{ Data string }
	if err := b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &got); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(got.Data)
}

// firefox

type firefox struct {
	*remote
	context string // the tab
}

func startFirefox(t testing.TB) browser {
	dir := browserDir(t)
	// It must ask nobody but the tests for anything.
	const prefs = `
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.newtabpage.enabled", false);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.proxy.type", 0);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
`
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(prefs), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, []string{"firefox-esr", "--headless", "--no-remote", "--profile", dir,
		"--width", "900", "--height", "1000", "--remote-debugging-port", "0"}, []string{"HOME=" + dir})
	b := &firefox{remote: dialRemote(t, r, r.listening(t, "listening on ")+"/session")}
	var tree struct{ Contexts []struct{ Context string } }
	err := errors.Join(
		b.call("session.new", map[string]any{"capabilities": map[string]any{}}, nil),
		b.call("browsingContext.getTree", nil, &tree))
	if err != nil || len(tree.Contexts) == 0 {
		t.Fatalf("Firefox has no page: %v", err)
	}
	b.context = tree.Contexts[0].Context
	return b
}

func (b *firefox) remoteEnd() *remote { return b.remote }

func (b *firefox) open(url string) error {
	return b.call("browsingContext.navigate", map[string]any{"context": b.context, "url": url, "wait": "interactive"}, nil)
}

func (b *firefox) reload() error {
	return b.call("browsingContext.reload", map[string]any{"context": b.context}, nil)
}

func (b *firefox) eval(script string) (string, error) {
	var got struct {
		Result           struct{ Value string }
		ExceptionDetails *struct{ Text string }
	}
	err := b.call("script.evaluate", map[string]any{
		"expression": script, "target": map[string]any{"context": b.context}, "awaitPromise": true,
	}, &got)
	if err == nil && got.ExceptionDetails != nil {
		err = errors.New(got.ExceptionDetails.Text)
	}
	return got.Result.Value, err
}

func (b *firefox) act(kind string, actions ...map[string]any) error {
	return b.call("input.performActions", map[string]any{
		"context": b.context, "actions": []any{map[string]any{"type": kind, "id": kind, "actions": actions}},
	}, nil)
}

func (b *firefox) click(x, y float64) error {
	return b.act("pointer",
		map[string]any{"type": "pointerMove", "x": int(x), "y": int(y)},
		map[string]any{"type": "pointerDown", "button": 0}, map[string]any{"type": "pointerUp", "button": 0})
}

func (b *firefox) typeText(s string) error {
	var keys []map[string]any
	for _, r := range s {
		keys = append(keys, map[string]any{"type": "keyDown", "value": string(r)}, map[string]any{"type": "keyUp", "value": string(r)})
	}
	return b.act("key", keys...)
}

func (b *firefox) screenshot() ([]byte, error) {
	var got struct{ Data string }
	if err := b.call("browsingContext.captureScreenshot", map[string]any{"context": b.context}, &got); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(got.Data)
}
