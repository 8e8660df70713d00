// Command idlebench measures what an idle connection costs a server in memory:
// it opens many connections to echo servers built on this package and on
// others, has each echo once, and compares the server's memory with before,
// after garbage collection. Each server is a process of its own.
//
// Linux only: it reads /proc.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/echo"
	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

var (
	serve  = flag.String("serve", "", "be the server of this name")
	secure = flag.Bool("tls", false, "with -serve, serve TLS")
	libs   = flag.String("libs", "", "servers to measure, separated by commas; all if empty")
	conns  = flag.Int("conns", 10000, "number of connections")
	size   = flag.Int("size", 125, "payload of the one message that is echoed, in bytes")
	lines  = flag.Bool("lines", false, "print each measurement as a line for benchstat in place of a table")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if *serve != "" {
		if err := harness.Serve(*serve, *secure); err != nil {
			log.Fatal(err)
		}
		return
	}
	results, err := run()
	if !*lines {
		fmt.Print(harness.IdleTable.Markdown(results))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run measures every server, and goes on when one fails.
func run() (results []harness.Result, err error) {
	names, err := harness.Names(*libs, echo.Idle)
	if err != nil {
		return nil, err
	}
	for _, over := range []string{"plain", "tls"} {
		for _, name := range names {
			if !*lines {
				harness.Progress("%d connections, %s, %s", *conns, over, name)
			}
			r, failed := measure(name, over)
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("%s over %s: %w", name, over, failed))
				continue
			}
			if *lines {
				fmt.Println(r)
			}
			results = append(results, r)
		}
	}
	if !*lines {
		harness.Progress("")
	}
	return results, err
}

func measure(name, over string) (harness.Result, error) {
	cmd := exec.Command(os.Args[0], "-serve", name, fmt.Sprintf("-tls=%t", over == "tls"))
	cmd.Stderr = os.Stderr
	p, err := harness.Start(cmd)
	if err != nil {
		return harness.Result{}, err
	}
	defer p.Stop()
	exchange, err := harness.NewExchange(name, ours.Binary, *size)
	if err != nil {
		return harness.Result{}, err
	}
	var before, after harness.Memory
	for i := range *conns + 1 {
		nc, err := exchange.Open(p.Addr, over == "tls")
		if err != nil {
			return harness.Result{}, err
		}
		defer nc.Close()
		if err := exchange.Echo(nc); err != nil {
			return harness.Result{}, err
		}
		if i == 0 { // what the first connection brings is not its own
			if before, err = p.Memory(); err != nil {
				return harness.Result{}, err
			}
		}
	}
	if after, err = p.Memory(); err != nil {
		return harness.Result{}, err
	}
	n := float64(*conns)
	metrics := map[string]float64{
		"rss-B/conn":   float64(after.RSS-before.RSS) / n,
		"heap-B/conn":  float64(after.Heap-before.Heap) / n,
		"stack-B/conn": float64(after.Stack-before.Stack) / n,
	}
	return harness.NewResult("Idle", *conns, metrics, "over", over, "conns", *conns, "lib", name), nil
}
