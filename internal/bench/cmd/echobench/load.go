package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

// load is what a server is put under.
type load struct {
	kind    string
	t       ours.MessageType
	payload int
	conns   int
	depth   int // messages in flight on each connection
}

// generator keeps all connections busy from one thread with epoll, which costs
// less than any of the servers, so that it is not what is measured.
type generator struct {
	batches []batch // in turn on each connection
	counted bool    // answers are told in messages, not in bytes
	epoll   int
	conns   []*conn
	waste   []byte // where answers go

	slow    int // connections that were not answered yet in this phase
	read    int64
	trips   []time.Duration
	sampled bool // trips are counted
}

// batch is what is written at once.
type batch struct {
	send   []byte
	answer int // how much answers it
}

type conn struct {
	file    *os.File
	fd      int
	next    int    // batch
	unsent  []byte // of the batch
	left    int    // of the answer
	answers *harness.Answers
	start   time.Time
	done    bool // was answered in this phase
}

// epollET is syscall.EPOLLET as the field of an event wants it.
const epollET = 1 << 31

// measure runs a server under the load.
func (l load) measure(name string, p *harness.Process) (harness.Result, error) {
	exchange, err := harness.NewExchange(name, l.t, l.payload)
	if err != nil {
		return harness.Result{}, err
	}
	g := &generator{batches: []batch{{bytes.Repeat(exchange.Send, l.depth), l.depth * len(exchange.Expect)}}}
	m, err := g.measure(exchange, p, l.conns, 1)
	if err != nil {
		return harness.Result{}, err
	}
	messages := float64(m.bytes) / float64(len(exchange.Expect)) // parts of large ones count too
	return harness.NewResult("Echo", int(messages), m.metrics(messages),
		"type", l.kind, "size", l.payload, "conns", l.conns, "inflight", l.depth, "lib", name), nil
}

// measure puts a server under load on so many connections. On the first of them,
// up to checked, an echo is checked; what comes later is only counted.
func (g *generator) measure(t harness.Talk, p *harness.Process, conns, checked int) (m measured, err error) {
	g.waste = make([]byte, 256<<10)
	defer g.close()
	if err := g.open(t, p.Addr, conns, checked); err != nil {
		return m, err
	}
	return g.run(p)
}

func (g *generator) open(t harness.Talk, addr string, n, checked int) (err error) {
	if g.epoll, err = syscall.EpollCreate1(0); err != nil {
		return err
	}
	for i := range n {
		nc, err := t.Open(addr, false)
		if err != nil {
			return err
		}
		if i < checked {
			if err := t.Echo(nc); err != nil {
				return err
			}
		}
		file, err := nc.(interface{ File() (*os.File, error) }).File()
		_ = nc.Close() // the file is a copy, of which package net knows nothing
		if err != nil {
			return err
		}
		next := i * len(g.batches) / n // so that all are on their way at once
		c := &conn{file: file, fd: int(file.Fd()), next: next}
		if g.counted {
			c.answers = new(harness.Answers)
		}
		g.conns = append(g.conns, c)
		if err := syscall.SetNonblock(c.fd, true); err != nil {
			return err
		}
		event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | epollET, Fd: int32(i)}
		if err := syscall.EpollCtl(g.epoll, syscall.EPOLL_CTL_ADD, c.fd, &event); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) close() {
	for _, c := range g.conns {
		_ = c.file.Close()
	}
	_ = syscall.Close(g.epoll)
}

// measured is what was seen while the load ran.
type measured struct {
	bytes    int64 // of answers
	batches  int   // that were answered
	time     time.Duration
	cpu, own time.Duration
	p50, p99 time.Duration
}

func (m measured) metrics(messages float64) map[string]float64 {
	return map[string]float64{
		"cpu-ns/msg": float64(m.cpu.Nanoseconds()) / messages,
		"msg/s":      messages / m.time.Seconds(),
		"load-cores": m.own.Seconds() / m.time.Seconds(),
		"p50-ns":     float64(m.p50),
		"p99-ns":     float64(m.p99),
	}
}

// run loads the server until all is warm, and then for one measurement.
func (g *generator) run(p *harness.Process) (m measured, err error) {
	for _, c := range g.conns {
		if err := g.begin(c); err != nil {
			return m, err
		}
	}
	if _, err := g.phase(*duration / 4); err != nil {
		return m, err
	}
	g.sampled = true
	m.bytes, m.cpu, m.own = -g.read, -p.CPU(), -harness.CPU(os.Getpid())
	if m.time, err = g.phase(*duration); err != nil {
		return m, err
	}
	m.bytes, m.cpu, m.own = m.bytes+g.read, m.cpu+p.CPU(), m.own+harness.CPU(os.Getpid())
	slices.Sort(g.trips)
	m.batches = len(g.trips)
	m.p50, m.p99 = g.trips[len(g.trips)/2], g.trips[len(g.trips)*99/100]
	return m, nil
}

// phase serves for so long, and until every connection was answered once, and
// returns how long it took.
func (g *generator) phase(d time.Duration) (time.Duration, error) {
	g.slow = len(g.conns)
	for _, c := range g.conns {
		c.done = false
	}
	start := time.Now()
	err := g.serve(func() bool { return g.slow == 0 && time.Since(start) > d })
	return time.Since(start), err
}

// serve deals with what epoll reports until it is enough.
func (g *generator) serve(enough func() bool) error {
	const patience = 10 * time.Second
	events, last := make([]syscall.EpollEvent, 512), time.Now()
	for !enough() {
		n, err := syscall.EpollWait(g.epoll, events, 100)
		if err != nil && err != syscall.EINTR {
			return err
		}
		if n > 0 {
			last = time.Now()
		} else if time.Since(last) > patience {
			return fmt.Errorf("no answer for %v", patience)
		}
		for i := range max(n, 0) {
			if err := g.turn(g.conns[events[i].Fd]); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn does what can be done on a connection without waiting.
func (g *generator) turn(c *conn) error {
	if err := c.send(); err != nil {
		return err
	}
	for c.left > 0 {
		n, err := syscall.Read(c.fd, g.waste)
		switch {
		case err == syscall.EAGAIN:
			return nil
		case err == syscall.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		g.read += int64(n)
		if err := c.take(g.waste[:n]); err != nil {
			return err
		}
		if n < len(g.waste) && c.left > 0 {
			return nil // there is no more: epoll will tell of what comes
		}
	}
	g.answered(c)
	return g.begin(c)
}

// take counts a part of the answer.
func (c *conn) take(p []byte) error {
	n := len(p)
	if c.answers != nil {
		var err error
		if n, err = c.answers.Count(p); err != nil {
			return err
		}
	}
	if c.left -= n; c.left < 0 {
		return fmt.Errorf("the answer exceeds what was asked for by %d", -c.left)
	}
	return nil
}

func (g *generator) answered(c *conn) {
	if g.sampled {
		g.trips = append(g.trips, time.Since(c.start))
	}
	if !c.done {
		c.done = true
		g.slow--
	}
}

func (g *generator) begin(c *conn) error {
	b := g.batches[c.next]
	c.next = (c.next + 1) % len(g.batches)
	c.unsent, c.left, c.start = b.send, b.answer, time.Now()
	return c.send()
}

// send writes as much of the batch as fits.
func (c *conn) send() error {
	for len(c.unsent) > 0 {
		n, err := syscall.Write(c.fd, c.unsent)
		switch err {
		case nil:
			c.unsent = c.unsent[n:]
		case syscall.EAGAIN:
			return nil
		case syscall.EINTR:
		default:
			return err
		}
	}
	return nil
}
