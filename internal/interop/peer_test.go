package interop

import (
	"bufio"
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

// peerSpec is an implementation and what it can do.
type peerSpec struct {
	name           string
	server, client program // nil: it has no such role
	limits         []limit
	origin         string // that a client names; "": pageOrigin

	// bad reports that a handshake failed because of a defect of the peer that
	// strikes at random, and is to be tried again.
	bad func(p *tap) bool
}

func (p *peerSpec) pageOrigin() string {
	if p.origin == "" {
		return pageOrigin
	}
	return p.origin
}

// program is one end that can be run.
type program interface {
	// run starts the program: as a server if url is "".
	run(t testing.TB, v websocket.Version, url string) *running
}

// limit says that a step cannot be done, and why. The step "handshake" stands
// for all.
type limit struct {
	step string
	why  string
	in   []websocket.Version // nil: all
	as   role                // "": both
}

const handshake = "handshake"

func hixie() []websocket.Version { return []websocket.Version{websocket.Hixie75, websocket.Hybi00} }
func hybi() []websocket.Version {
	return []websocket.Version{websocket.Hybi07, websocket.Hybi10, websocket.RFC6455}
}

// lacks is the limit of a peer that does not have these versions.
func lacks(as role, in ...websocket.Version) limit {
	return limit{step: handshake, why: "it does not have this version", in: in, as: as}
}

// limitsOf returns the steps that p cannot do in one cell.
func (p *peerSpec) limitsOf(v websocket.Version, as role) map[string]string {
	steps := map[string]string{}
	for _, l := range p.limits {
		if (l.as == "" || l.as == as) && (l.in == nil || slices.Contains(l.in, v)) {
			steps[l.step] = l.why
		}
	}
	return steps
}

// running is a program that was started.
type running struct {
	addr  string // of a server
	lines chan string
	ended chan struct{} // closed with the program's output
	log   func() string
	pid   int // of a program that was started
	stop  func()
}

// await returns the next line that begins with prefix.
func (r *running) await(prefix string) (string, error) {
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				return "", fmt.Errorf("it ended without printing %q", prefix)
			}
			if strings.HasPrefix(line, prefix) {
				return line, nil
			}
		case <-timeout:
			return "", fmt.Errorf("it did not print %q", prefix)
		}
	}
}

// command is a program of another language. It is run with the arguments
// "server" or "client" and the version's name, for a client followed by the URL.
// A server prints "LISTEN PORT".
type command struct {
	argv []string
}

func cmd(argv ...string) *command { return &command{argv: argv} }

func (c *command) run(t testing.TB, v websocket.Version, url string) *running {
	t.Helper()
	args := slices.Clone(c.argv[1:])
	if url == "" {
		args = append(args, "server", short(v))
	} else {
		args = append(args, "client", short(v), url)
	}
	r := start(t, c.argv[0], args, nil)
	if url == "" {
		line, err := r.await("LISTEN ")
		if err != nil {
			t.Fatalf("%v %v did not become a server: %v\n%s\nrun internal/interop/setup if something is missing", c.argv, args, err, r.log())
		}
		r.addr = "127.0.0.1:" + strings.TrimPrefix(line, "LISTEN ")
	}
	return r
}

// start starts a program that is ended with the test, and all that it started.
func start(t testing.TB, name string, args, env []string, files ...*os.File) *running {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), env...)
	c.ExtraFiles = files
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var stderr lockedBuffer
	c.Stderr = &stderr
	stdout, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatalf("%s: %v: run internal/interop/setup", name, err)
	}
	r := &running{lines: make(chan string, 64), ended: make(chan struct{}), log: stderr.String, pid: c.Process.Pid}
	go func() {
		defer close(r.ended)
		defer close(r.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			select {
			case r.lines <- s.Text():
			default: // nobody reads
			}
		}
	}()
	r.stop = sync.OnceFunc(func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		<-r.ended
		c.Wait()
	})
	t.Cleanup(r.stop)
	return r
}

// lockedBuffer keeps the first bytes of what is written.
type lockedBuffer struct {
	sync.Mutex
	b bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	b.b.Write(p[:min(len(p), max(0, 8000-b.b.Len()))])
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.b.String()
}
