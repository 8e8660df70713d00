// Command idlebench measures what an idle connection costs a server in memory:
// it opens many connections to echo servers built on this package and on
// others, has each echo once, and compares the server's memory with before,
// after garbage collection. Each server is a process of its own.
//
// Linux only: it reads /proc.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/echo"
)

var (
	serve = flag.String("serve", "", "be the server of this name")
	libs  = flag.String("libs", "", "servers to measure, separated by commas; all if empty")
	conns = flag.Int("conns", 10000, "number of connections")
	size  = flag.Int("size", 125, "payload of the one message that is echoed, in bytes")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	raiseLimit()
	if *serve != "" {
		beServer(*serve)
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "server\tRSS\theap\tstack\t(bytes a connection, %d connections)\n", *conns)
	for _, s := range echo.Servers {
		if *libs != "" && !slices.Contains(strings.Split(*libs, ","), s.Name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "\r%-14s", s.Name)
		m, err := measure(s.Name)
		if err != nil {
			log.Fatalf("%s: %v", s.Name, err)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t\n", s.Name, m.rss, m.heap, m.stack)
	}
	fmt.Fprintf(os.Stderr, "\r%14s\r", "")
	w.Flush()
}

// raiseLimit lets the process have as many descriptors as the system allows.
func raiseLimit() {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err == nil {
		lim.Cur = lim.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	}
}

// memory is what a process has, in bytes.
type memory struct{ rss, heap, stack int64 }

// beServer serves, and answers each line on its input with its memory.
func beServer(name string) {
	i := slices.IndexFunc(echo.Servers, func(s echo.Server) bool { return s.Name == name })
	if i < 0 {
		log.Fatalf("no server %q", name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			m := readMemory()
			fmt.Println(m.rss, m.heap, m.stack)
		}
		os.Exit(0)
	}()
	log.Fatal(echo.Servers[i].Serve(l))
}

func readMemory() memory {
	for range 3 { // pools are emptied by the second collection
		runtime.GC()
	}
	debug.FreeOSMemory()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m := memory{heap: int64(s.HeapInuse), stack: int64(s.StackInuse)}
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		log.Fatal(err)
	}
	var total, resident int64
	if _, err := fmt.Sscan(string(b), &total, &resident); err != nil {
		log.Fatal(err)
	}
	m.rss = resident * int64(os.Getpagesize())
	return m
}

func measure(name string) (memory, error) {
	cmd := exec.Command(os.Args[0], "-serve", name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return memory{}, err
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return memory{}, err
	}
	if err := cmd.Start(); err != nil {
		return memory{}, err
	}
	defer cmd.Wait()
	defer in.Close()
	out := bufio.NewReader(pipe)
	addr, err := out.ReadString('\n')
	if err != nil {
		return memory{}, err
	}
	addr = strings.TrimSpace(addr)
	ask := func() (m memory, err error) {
		if _, err = io.WriteString(in, "memory\n"); err == nil {
			_, err = fmt.Fscan(out, &m.rss, &m.heap, &m.stack)
			_, _ = out.ReadString('\n')
		}
		return m, err
	}
	first, err := echoOnce(name, addr) // what the first connection brings is not its own
	if err != nil {
		return memory{}, err
	}
	defer first.Close()
	before, err := ask()
	if err != nil {
		return memory{}, err
	}
	for range *conns {
		nc, err := echoOnce(name, addr)
		if err != nil {
			return memory{}, err
		}
		defer nc.Close()
	}
	after, err := ask()
	n := int64(*conns)
	return memory{(after.rss - before.rss) / n, (after.heap - before.heap) / n, (after.stack - before.stack) / n}, err
}

// echoOnce opens a connection and has it echo a message.
func echoOnce(name, addr string) (net.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	message := bytes.Repeat([]byte("a"), *size)
	answer := len(message)
	if name != "raw" {
		head := "GET / HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://" + addr +
			"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
		if _, err := io.WriteString(nc, head); err != nil {
			return nil, err
		}
		b := make([]byte, 0, 512)
		for !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
			n, err := nc.Read(b[len(b):cap(b)])
			if err != nil {
				return nil, err
			}
			b = b[:len(b)+n]
		}
		message, err = ours.AppendMessage(nil, ours.RFC6455, ours.ClientSide, ours.Binary, message)
		if err != nil {
			return nil, err
		}
		answer = len(message) - 4
	}
	if _, err := nc.Write(message); err != nil {
		return nil, err
	}
	_, err = io.ReadFull(nc, make([]byte, answer))
	return nc, err
}
