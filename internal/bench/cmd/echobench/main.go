// Command echobench measures echo servers built on this package and on others,
// side by side on loopback: the CPU time that the server spends on a message,
// throughput and round trip. Each server is a process of its own on one core,
// the load comes from another core over raw sockets with frames made before.
//
// Linux only: it reads /proc and needs taskset.
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
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/echo"
)

var (
	serve    = flag.String("serve", "", "be the server of this name")
	libs     = flag.String("libs", "", "servers to measure, separated by commas; all if empty")
	sizes    = flag.String("sizes", "16,125,1024,16384,65536,1048576", "payload sizes in bytes")
	conns    = flag.String("conns", "1,50,500", "numbers of connections")
	inflight = flag.String("inflight", "1,16", "numbers of messages in flight on each connection")
	rounds   = flag.Int("rounds", 3, "times that each is measured; the median counts")
	duration = flag.Duration("duration", time.Second, "of one measurement")
	text     = flag.Bool("text", false, "send text, which some servers validate, in place of binary")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if *serve != "" {
		beServer(*serve)
		return
	}
	if os.Getenv("ECHOBENCH_PINNED") == "" {
		rerunPinned()
		return
	}
	for _, p := range numbers(*sizes) {
		for _, c := range numbers(*conns) {
			for _, f := range numbers(*inflight) {
				if f > 1 && p > 1<<10 {
					continue // the answer is needed for small messages, and large ones would fill every buffer
				}
				table(load{payload: p, conns: c, inflight: f})
			}
		}
	}
}

// rerunPinned runs the load on the last core; servers get the first.
func rerunPinned() {
	cmd := exec.Command("taskset", append([]string{"-c", "1", os.Args[0]}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), "ECHOBENCH_PINNED=1", "GOMAXPROCS=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
}

func numbers(list string) []int {
	var out []int
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			log.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

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
	go func() { // ends with the parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(echo.Servers[i].Serve(l))
}

type load struct{ payload, conns, inflight int }

type result struct {
	cpu      float64 // of the server, µs a message
	own      float64 // of the load, in cores
	rate     float64 // messages a second
	p50, p99 time.Duration
}

// table measures every server under l, in turn, some rounds long.
func table(l load) {
	names := make([]string, 0, len(echo.Servers))
	for _, s := range echo.Servers {
		if *libs == "" || slices.Contains(strings.Split(*libs, ","), s.Name) {
			names = append(names, s.Name)
		}
	}
	results := map[string][]result{}
	for round := range *rounds {
		for _, name := range names {
			fmt.Fprintf(os.Stderr, "\r%d bytes, %d connections, %d in flight: round %d of %d, %-12s", l.payload, l.conns, l.inflight, round+1, *rounds, name)
			r, err := l.measure(name)
			if err != nil {
				fmt.Fprintf(os.Stderr, "\n%s: %v\n", name, err)
				continue
			}
			results[name] = append(results[name], r)
		}
	}
	fmt.Fprintf(os.Stderr, "\r%80s\r", "")
	kind := "binary"
	if *text {
		kind = "text"
	}
	fmt.Printf("\n%d bytes %s, %d connections, %d in flight\n", l.payload, kind, l.conns, l.inflight)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "server\tCPU µs/msg\tto raw\tto best peer\tmsg/s\tp50\tp99\tload CPU\t")
	raw, best := 0.0, 0.0
	for _, name := range names {
		m := median(results[name])
		switch {
		case name == "raw":
			raw = m.cpu
		case !strings.HasPrefix(name, "ours") && m.cpu > 0 && (best == 0 || m.cpu < best):
			best = m.cpu
		}
	}
	for _, name := range names {
		m := median(results[name])
		fmt.Fprintf(w, "%s\t%.2f\t%s\t%s\t%.0f\t%v\t%v\t%.2f\t\n", name, m.cpu, ratio(m.cpu, raw), ratio(m.cpu, best), m.rate,
			m.p50.Round(time.Microsecond), m.p99.Round(time.Microsecond), m.own)
	}
	w.Flush()
}

func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func median(rs []result) result {
	if len(rs) == 0 {
		return result{}
	}
	slices.SortFunc(rs, func(a, b result) int {
		switch {
		case a.cpu < b.cpu:
			return -1
		case a.cpu > b.cpu:
			return 1
		}
		return 0
	})
	return rs[len(rs)/2]
}

// measure runs one server under the load.
func (l load) measure(name string) (result, error) {
	cmd := exec.Command("taskset", "-c", "0", os.Args[0], "-serve", name)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return result{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	defer cmd.Wait()
	defer in.Close()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return result{}, err
	}
	return l.run(name, strings.TrimSpace(addr), cmd.Process.Pid)
}

func (l load) run(name, addr string, pid int) (result, error) {
	batch, answer := l.batch(name)
	var count atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	stop := make(chan struct{})
	trips := make([][]time.Duration, l.conns)
	var sample atomic.Bool
	all := make([]net.Conn, l.conns)
	for i := range all {
		nc, err := dial(name, addr)
		if err != nil {
			return result{}, err
		}
		defer nc.Close()
		all[i] = nc
	}
	for i, nc := range all {
		wg.Go(func() {
			in := make([]byte, min(answer, 256<<10))
			for {
				select {
				case <-stop:
					return
				default:
				}
				start := time.Now()
				if err := roundTrip(nc, batch, in, answer); err != nil {
					failed.Store(&err)
					return
				}
				count.Add(int64(l.inflight))
				if sample.Load() {
					trips[i] = append(trips[i], time.Since(start))
				}
			}
		})
	}
	time.Sleep(*duration / 4) // until everything is warm
	sample.Store(true)
	n0, t0, cpu0, own0 := count.Load(), time.Now(), cpuTime(pid), cpuTime(os.Getpid())
	time.Sleep(*duration)
	n, t, cpu, own := count.Load()-n0, time.Since(t0), cpuTime(pid)-cpu0, cpuTime(os.Getpid())-own0
	close(stop)
	wg.Wait()
	if err := failed.Load(); err != nil {
		return result{}, *err
	}
	every := slices.Concat(trips...)
	slices.Sort(every)
	r := result{rate: float64(n) / t.Seconds(), own: own.Seconds() / t.Seconds()}
	if n > 0 {
		r.cpu = float64(cpu.Nanoseconds()) / 1e3 / float64(n)
	}
	if len(every) > 0 {
		r.p50, r.p99 = every[len(every)/2], every[len(every)*99/100]
	}
	return r, nil
}

// batch is what is written at once, and how long the answer to it is.
func (l load) batch(name string) (batch []byte, answer int) {
	payload := bytes.Repeat([]byte("a"), l.payload)
	if name == "raw" {
		return bytes.Repeat(payload, l.inflight), l.inflight * l.payload
	}
	t := ours.Binary
	if *text {
		t = ours.Text
	}
	one, err := ours.AppendMessage(nil, ours.RFC6455, ours.ClientSide, t, payload)
	if err != nil {
		log.Fatal(err)
	}
	return bytes.Repeat(one, l.inflight), l.inflight * (len(one) - 4) // the answer is not masked
}

// roundTrip writes batch and reads the answer, both at once if they are large.
func roundTrip(nc net.Conn, batch, in []byte, answer int) error {
	if len(batch) <= 64<<10 {
		if _, err := nc.Write(batch); err != nil {
			return err
		}
		return readAll(nc, in, answer)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := nc.Write(batch)
		wrote <- err
	}()
	if err := readAll(nc, in, answer); err != nil {
		return err
	}
	return <-wrote
}

func readAll(nc net.Conn, in []byte, n int) error {
	for n > 0 {
		k, err := nc.Read(in[:min(n, len(in))])
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func dial(name, addr string) (net.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil || name == "raw" {
		return nc, err
	}
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://%[1]s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr)
	var head []byte
	var one [1]byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := nc.Read(one[:]); err != nil {
			return nil, fmt.Errorf("handshake: %w", err)
		}
		head = append(head, one[0])
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		return nil, fmt.Errorf("handshake: %q", head)
	}
	return nc, nil
}

// cpuTime is how long the threads of a process have run.
func cpuTime(pid int) time.Duration {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	var total time.Duration
	for _, task := range tasks {
		b, err := os.ReadFile(dir + "/" + task.Name() + "/schedstat")
		if err != nil {
			continue
		}
		field, _, _ := strings.Cut(string(b), " ")
		ns, _ := strconv.ParseInt(field, 10, 64)
		total += time.Duration(ns)
	}
	return total
}
