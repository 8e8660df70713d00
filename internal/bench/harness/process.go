package harness

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/protocol-websocket/websocket/internal/bench/echo"
)

// Process is a server that runs as a process of its own, so that its CPU time
// and memory can be told from those of the load.
type Process struct {
	Addr string

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Pinned returns a command that runs this program again, on one core.
func Pinned(core int, args ...string) *exec.Cmd {
	args = append([]string{"-c", fmt.Sprint(core), os.Args[0]}, args...)
	cmd := exec.Command("taskset", args...)
	cmd.Stderr = os.Stderr
	return cmd
}

// Start starts a server: cmd runs a program that calls Serve.
func Start(cmd *exec.Cmd) (*Process, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, in: in, out: bufio.NewReader(out)}
	if p.Addr, err = p.out.ReadString('\n'); err != nil {
		p.Stop()
		return nil, fmt.Errorf("server did not start: %w", err)
	}
	p.Addr = strings.TrimSpace(p.Addr)
	return p, nil
}

// Stop ends the server, which ends when its input does.
func (p *Process) Stop() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// CPU returns how long the server has run.
func (p *Process) CPU() time.Duration { return CPU(p.cmd.Process.Pid) }

// Memory has the server collect its garbage and returns what remains.
func (p *Process) Memory() (Memory, error) {
	var m Memory
	if _, err := io.WriteString(p.in, "memory\n"); err != nil {
		return m, err
	}
	_, err := fmt.Fscanln(p.out, &m.RSS, &m.Heap, &m.Stack)
	return m, err
}

// Serve is what the process of a server does: it prints its address, serves,
// compressing if d says so, until its input ends, and answers each line there with its memory.
func Serve(name string, secure bool, d echo.Deflate) error {
	s, err := echo.Named(name)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if secure {
		config, err := selfSigned()
		if err != nil {
			return err
		}
		l = tls.NewListener(l, config)
	}
	fmt.Println(l.Addr())
	ended := make(chan error, 2)
	go func() { ended <- s.Compressing(d).Serve(l) }()
	go func() { ended <- answerLines() }()
	return <-ended
}

func answerLines() error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		m, err := OwnMemory()
		if err != nil {
			return err
		}
		fmt.Println(m.RSS, m.Heap, m.Stack)
	}
	return lines.Err()
}

// selfSigned returns a configuration with a new certificate that nobody trusts.
func selfSigned() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}

// Names returns the servers that list has, separated by commas, or those of a
// table if it is empty. From tables of compression those are left out that have
// none of that kind.
func Names(list string, u echo.Use) ([]string, error) {
	able := echo.For(u)
	if list == "" {
		return able, nil
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if _, err := echo.Named(name); err != nil {
			return nil, err
		}
	}
	if u&echo.AnyCompressed != 0 {
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(able, name) })
	}
	return names, nil
}

// Rotate returns list beginning at its n-th element, in steps that differ for
// each n, so that no server is measured after the same one again. Beginning
// elsewhere alone would change the predecessor of one.
func Rotate(list []string, n int) []string {
	all := make([]string, len(list))
	for i, step := 0, stride(len(list), n); i < len(all); i++ {
		all[i] = list[(n+i*step)%len(list)]
	}
	return all
}

// stride returns the n-th of the steps, over and over, with which a round visits
// each of length elements once: those that have no divisor with it in common.
func stride(length, n int) int {
	var strides []int
	for step := 1; step <= max(length-1, 1); step++ {
		if gcd(length, step) == 1 {
			strides = append(strides, step)
		}
	}
	return strides[n%len(strides)]
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
