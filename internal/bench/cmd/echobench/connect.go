package main

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

const (
	visitors     = 8   // connections at a time
	visitPayload = 125 // bytes
)

// connections measures connections that open, echo one message and close.
func connections(name string, p *harness.Process) (harness.Result, error) {
	exchange, err := harness.NewExchange(name, ours.Binary, visitPayload)
	if err != nil {
		return harness.Result{}, err
	}
	var v visits
	for range visitors {
		v.wait.Go(func() { v.repeat(exchange, p.Addr) })
	}
	time.Sleep(*duration / 4) // until all is warm
	n, cpu, own, start := v.count.Load(), p.CPU(), harness.CPU(os.Getpid()), time.Now()
	time.Sleep(*duration)
	n, cpu, own = v.count.Load()-n, p.CPU()-cpu, harness.CPU(os.Getpid())-own
	seconds := time.Since(start).Seconds()
	v.stop.Store(true)
	v.wait.Wait()
	if err := v.failed.Load(); err != nil {
		return harness.Result{}, *err
	}
	metrics := map[string]float64{
		"cpu-ns/conn": float64(cpu.Nanoseconds()) / float64(max(n, 1)),
		"conn/s":      float64(n) / seconds,
		"load-cores":  own.Seconds() / seconds,
	}
	return harness.NewResult("Connect", int(n), metrics, "size", visitPayload, "lib", name), nil
}

type visits struct {
	wait   sync.WaitGroup
	stop   atomic.Bool
	count  atomic.Int64
	failed atomic.Pointer[error]
}

func (v *visits) repeat(e harness.Exchange, addr string) {
	for !v.stop.Load() {
		if err := visit(e, addr); err != nil {
			v.failed.Store(&err)
			return
		}
		v.count.Add(1)
	}
}

func visit(e harness.Exchange, addr string) error {
	nc, err := e.Open(addr, false)
	if err != nil {
		return err
	}
	if err := e.Echo(nc); err != nil {
		_ = nc.Close()
		return err
	}
	return e.Close(nc)
}
