package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// buildEcho builds examples/echo, once.
var buildEcho = sync.OnceValues(func() (string, error) {
	name, err := filepath.Abs("build/echo")
	if err != nil {
		return "", err
	}
	c := exec.Command("go", "build", "-o", name, "./examples/echo")
	c.Dir = "../.."
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return name, nil
})

// echoExample has a browser use the page of examples/echo as a person would, by
// mouse and keyboard, and keeps a picture of it.
func echoExample(name string, b browser) func(t *testing.T) error {
	return func(t *testing.T) error {
		program, err := buildEcho()
		if err != nil {
			return err
		}
		r := start(t, []string{program, "-addr", "127.0.0.1:0"}, nil)
		url, _, _ := strings.Cut(r.listening(t, "Open "), " ")
		h := hand{b: b}
		h.do(b.open(url))
		h.wait(`document.body.dataset.state === "open"`)
		h.wait(`document.getElementById("version").textContent === "rfc6455"`)
		h.click("#text")
		h.eval(`document.getElementById("text").select()`)
		h.do(b.typeText("Zwölf Boxkämpfer, 🥊 ✓"))
		h.click("#text-form button")
		h.wait(entries(2, "Zwölf Boxkämpfer, 🥊 ✓"))
		h.click("#hex-form button")
		h.wait(entries(4, "00 01 fe ff"))
		h.keep(name)
		h.click("#toggle")
		h.wait(`document.body.dataset.state === "closed"`)
		h.click("#toggle")
		h.wait(`document.body.dataset.state === "open"`)
		h.do(syscall.Kill(r.pid, syscall.SIGTERM))
		h.wait(`document.body.dataset.state === "closed"`)
		h.wait(`document.querySelector("#log pre").textContent.includes("1001")`)
		return h.err
	}
}

// entries is true when the log has n entries that say what was sent or
// received, of which the newest shows text.
func entries(n int, text string) string {
	quoted, _ := json.Marshal(text)
	return fmt.Sprintf(`document.querySelectorAll("#log li").length === %d && document.querySelector("#log pre").textContent === %s`, n, quoted)
}

// hand does one thing after the other until one fails.
type hand struct {
	b   browser
	err error
}

func (h *hand) do(err error) {
	if h.err == nil {
		h.err = err
	}
}

func (h *hand) eval(script string) string {
	if h.err != nil {
		return ""
	}
	got, err := h.b.eval(script)
	if err != nil {
		h.err = fmt.Errorf("%s: %w", script, err)
	}
	return got
}

// wait waits until a condition holds in the page.
func (h *hand) wait(condition string) {
	got := h.eval(fmt.Sprintf(`new Promise(done => {
		const end = Date.now() + %d;
		const look = () => {
			if (%s) done("");
			else if (Date.now() > end) done(document.body.innerText);
			else setTimeout(look, 20);
		};
		look();
	})`, patience.Milliseconds(), condition))
	if h.err == nil && got != "" {
		h.err = fmt.Errorf("waited in vain for %s: the page says\n%s", condition, got)
	}
}

// click clicks into the middle of an element.
func (h *hand) click(selector string) {
	at := h.eval(fmt.Sprintf(`(() => {
		const r = document.querySelector(%q).getBoundingClientRect();
		return JSON.stringify({x: r.x + r.width / 2, y: r.y + r.height / 2});
	})()`, selector))
	var p struct{ X, Y float64 }
	if h.err == nil {
		h.do(json.Unmarshal([]byte(at), &p))
		h.do(h.b.click(p.X, p.Y))
	}
}

// keep keeps a picture of the page.
func (h *hand) keep(name string) {
	if h.err != nil {
		return
	}
	png, err := h.b.screenshot()
	if err == nil && !bytes.HasPrefix(png, []byte("\x89PNG")) {
		err = fmt.Errorf("the picture is no PNG: % x", png[:min(8, len(png))])
	}
	if err == nil {
		err = keep("echo-"+strings.ToLower(name)+".png", png)
	}
	h.do(err)
}
