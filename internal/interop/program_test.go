package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// program is one end that can be run.
type program interface {
	// run starts the program: as a server if url is "".
	run(t testing.TB, v websocket.Version, url string) *running
}

// running is a program that was started.
type running struct {
	addr  string // of a server
	lines chan string
	ended chan struct{} // closed when it has ended
	log   func() string
	pid   int // of a program that was started
	stop  func()
}

// await returns what follows part in the next line that has it.
func (r *running) await(part string, within time.Duration) (string, error) {
	timeout := time.After(within)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				return "", fmt.Errorf("it ended without printing %q", part)
			}
			if _, rest, ok := strings.Cut(line, part); ok {
				return rest, nil
			}
		case <-timeout:
			return "", fmt.Errorf("it did not print %q within %v", part, within)
		}
	}
}

// startPatience is how long a program may take to start, and a browser to do as
// it is told: the machine may have much else to do.
const startPatience = 2 * time.Minute

// listening returns what a server prints after part once it can be reached.
func (r *running) listening(t testing.TB, part string) string {
	t.Helper()
	at, err := r.await(part, startPatience)
	if err != nil {
		t.Fatalf("%v: run internal/interop/setup if something is missing. It printed:\n%s", err, r.log())
	}
	return at
}

// command is a program of another language. It is run with the arguments
// "server" or "client" and the version's name, for a client followed by the URL.
type command struct {
	argv []string
}

func cmd(argv ...string) *command { return &command{argv: argv} }

func (c *command) run(t testing.TB, v websocket.Version, url string) *running {
	t.Helper()
	if url != "" {
		return start(t, append(slices.Clone(c.argv), "client", short(v), url), nil)
	}
	r := start(t, append(slices.Clone(c.argv), "server", short(v)), nil)
	r.addr = "127.0.0.1:" + r.listening(t, "LISTEN ")
	return r
}

// start starts a program that is ended with the test, and all that it started.
func start(t testing.TB, argv, env []string, files ...*os.File) *running {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = append(os.Environ(), env...)
	c.ExtraFiles = files
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.WaitDelay = patience // for what has left the group and keeps the output open
	out := &output{lines: make(chan string, 64)}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatalf("%v: run internal/interop/setup", err)
	}
	r := &running{lines: out.lines, ended: make(chan struct{}), log: out.String, pid: c.Process.Pid}
	go func() {
		defer close(r.ended)
		defer close(r.lines)
		c.Wait()
	}()
	r.stop = sync.OnceFunc(func() {
		syscall.Kill(-r.pid, syscall.SIGKILL)
		<-r.ended
	})
	t.Cleanup(r.stop)
	return r
}

// lockedBuffer keeps the last bytes of what is written.
type lockedBuffer struct {
	sync.Mutex
	b []byte
}

const keptBytes = 8000

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	b.b = append(b.b, p...)
	b.b = b.b[max(0, len(b.b)-keptBytes):]
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return string(b.b)
}

// output is what a program writes: kept, and passed on line by line.
type output struct {
	lockedBuffer
	lines chan string
	line  []byte // that has not ended
}

func (o *output) Write(p []byte) (int, error) {
	o.lockedBuffer.Write(p)
	whole := append(o.line, p...)
	for {
		line, rest, ok := bytes.Cut(whole, []byte("\n"))
		if !ok {
			o.line = whole[:min(len(whole), keptBytes)]
			return len(p), nil
		}
		whole = rest
		select {
		case o.lines <- string(line):
		default: // nobody reads
		}
	}
}
