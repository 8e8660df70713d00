// Command idlebench measures what an idle connection costs a server in memory:
// it opens many connections to echo servers built on this package and on
// others, has each echo once or, with -compress, some compressed messages with
// context takeover, and compares the server's memory with before, after garbage
// collection. Each server is a process of its own.
//
// Linux only: it reads /proc.
package main

import (
	"cmp"
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
	serve    = flag.String("serve", "", "be the server of this name")
	secure   = flag.Bool("tls", false, "with -serve, serve TLS")
	deflate  = flag.String("deflate", "", "with -serve, compress: alone or takeover")
	libs     = flag.String("libs", "", "servers to measure, separated by commas; all if empty")
	compress = flag.Bool("compress", false, "measure connections with compression")
	conns    = flag.Int("conns", 0, "number of connections; 0 means 10000, or 2000 with compression")
	size     = flag.Int("size", 0, "size of each message that is echoed, in bytes; 0 means 125, or 512 with compression")
	lines    = flag.Bool("lines", false, "print each measurement as a line for benchstat in place of a table")
)

// kind is a kind of idle connections.
type kind struct {
	table   harness.Table
	use     echo.Use
	deflate echo.Deflate
	over    []string
	// first is how many connections are open before memory is measured, since what
	// they bring is not their own.
	first       int
	conns, size int
	talk        func(server string, size int) (harness.Talk, error)
}

var plain = kind{harness.IdleTable, echo.Idle, echo.Plain, []string{"plain", "tls"}, 1, 10000, 125,
	func(server string, size int) (harness.Talk, error) {
		return harness.NewExchange(server, ours.Binary, size)
	}}

// compressed fill windows of 12 bits with 20 messages. The first are more than
// the 32 compressors that connections of gws share.
var compressed = kind{harness.CompressedIdleTable, echo.CompressedIdle, echo.Takeover, []string{"plain"}, 64, 2000, 512,
	func(server string, size int) (harness.Talk, error) {
		return harness.NewCompressed(server, echo.Takeover, size, 20)
	}}

func main() {
	log.SetFlags(0)
	flag.Parse()
	if *serve != "" {
		if err := harness.Serve(*serve, *secure, echo.Deflate(*deflate)); err != nil {
			log.Fatal(err)
		}
		return
	}
	k := plain
	if *compress {
		k = compressed
	}
	k.conns, k.size = cmp.Or(*conns, k.conns), cmp.Or(*size, k.size)
	results, err := k.run()
	if !*lines {
		fmt.Print(k.table.Markdown(results))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run measures every server, and goes on when one fails.
func (k kind) run() (results []harness.Result, err error) {
	names, err := harness.Names(*libs, k.use)
	if err != nil {
		return nil, err
	}
	for _, over := range k.over {
		for _, name := range names {
			if !*lines {
				harness.Progress("%d connections, %s, %s", k.conns, over, name)
			}
			r, failed := k.measure(name, over)
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

func (k kind) measure(name, over string) (harness.Result, error) {
	cmd := exec.Command(os.Args[0], "-serve", name, "-deflate", string(k.deflate), fmt.Sprintf("-tls=%t", over == "tls"))
	cmd.Stderr = os.Stderr
	p, err := harness.Start(cmd)
	if err != nil {
		return harness.Result{}, err
	}
	defer p.Stop()
	talk, err := k.talk(name, k.size)
	if err != nil {
		return harness.Result{}, err
	}
	var before, after harness.Memory
	for i := range k.first + k.conns {
		if i == k.first {
			if before, err = p.Memory(); err != nil {
				return harness.Result{}, err
			}
		}
		nc, err := talk.Open(p.Addr, over == "tls")
		if err != nil {
			return harness.Result{}, err
		}
		defer nc.Close()
		if err := talk.Echo(nc); err != nil {
			return harness.Result{}, err
		}
	}
	if after, err = p.Memory(); err != nil {
		return harness.Result{}, err
	}
	n := float64(k.conns)
	metrics := map[string]float64{
		"rss-B/conn":   float64(after.RSS-before.RSS) / n,
		"heap-B/conn":  float64(after.Heap-before.Heap) / n,
		"stack-B/conn": float64(after.Stack-before.Stack) / n,
	}
	return harness.NewResult(k.table.Bench, k.conns, metrics, "over", over, "conns", k.conns, "lib", name), nil
}
