// Command echobench measures echo servers built on this package and on others,
// side by side on loopback: the CPU time that the server spends on a message,
// throughput and round trip; or, with -compress, the same of compressed messages;
// or, with -connect, on a connection that opens, echoes once and closes. Each
// server is a process of its own on one core, the load comes from another core
// over raw sockets with frames made before.
//
// Linux only: it reads /proc and needs taskset.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/echo"
	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

var (
	serve    = flag.String("serve", "", "be the server of this name")
	deflate  = flag.String("deflate", "", "with -serve, compress: alone or takeover")
	pinned   = flag.Bool("pinned", false, "run on the core that this was started on")
	libs     = flag.String("libs", "", "servers to measure, separated by commas; all if empty")
	types    = flag.String("types", "binary,text", "types of messages")
	sizes    = flag.String("sizes", "16,125,1024,16384,65536,1048576", "payload sizes in bytes")
	conns    = flag.String("conns", "1,50,500", "numbers of connections")
	inflight = flag.String("inflight", "1,16", "numbers of messages in flight on each connection; more than one is left out where that makes more than 64 MiB")
	connect  = flag.Bool("connect", false, "measure connections instead of messages")
	compress = flag.Bool("compress", false, "measure compressed messages, of loads of their own")
	rounds   = flag.Int("rounds", 3, "times that each is measured; the median counts")
	duration = flag.Duration("duration", time.Second, "of one measurement")
	lines    = flag.Bool("lines", false, "print each measurement as a line for benchstat in place of tables")
)

const (
	serverCore = 0
	loadCore   = 1

	maxInFlight = 64 << 20 // bytes on all connections: more measures only memory
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if *serve != "" {
		if err := harness.Serve(*serve, false, echo.Deflate(*deflate)); err != nil {
			log.Fatal(err)
		}
		return
	}
	if !*pinned {
		cmd := harness.Pinned(loadCore, append([]string{"-pinned"}, os.Args[1:]...)...)
		cmd.Stdout = os.Stdout
		if err := cmd.Run(); err != nil {
			log.Fatal(err)
		}
		return
	}
	results, err := run()
	if !*lines {
		for _, t := range slices.Concat(harness.EchoTables, harness.CompressedTables) {
			if s := t.Markdown(results); s != "" {
				fmt.Println(s)
			}
		}
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run measures everything that is asked for, and goes on when a server fails.
func run() (results []harness.Result, err error) {
	loads, err := matrix()
	if err != nil {
		return nil, err
	}
	for i, m := range loads {
		names, unknown := harness.Names(*libs, m.use)
		if unknown != nil {
			return nil, unknown
		}
		for round := range *rounds {
			for _, name := range harness.Rotate(names, round) {
				if !*lines {
					harness.Progress("load %d of %d, round %d of %d, %s", i+1, len(loads), round+1, *rounds, name)
				}
				r, failed := m.against(name)
				if failed != nil {
					err = errors.Join(err, fmt.Errorf("%s: %w", name, failed))
					continue
				}
				if *lines {
					fmt.Println(r)
				}
				results = append(results, r)
			}
		}
	}
	if !*lines {
		harness.Progress("")
	}
	return results, err
}

// A measurement is of one server at a time.
type measurement struct {
	use     echo.Use     // servers, if none were chosen
	deflate echo.Deflate // of the server
	of      func(name string, p *harness.Process) (harness.Result, error)
}

func (m measurement) against(name string) (harness.Result, error) {
	p, err := harness.Start(harness.Pinned(serverCore, "-serve", name, "-deflate", string(m.deflate)))
	if err != nil {
		return harness.Result{}, err
	}
	defer p.Stop()
	return m.of(name, p)
}

// matrix returns a measurement for each combination of the options.
func matrix() (all []measurement, err error) {
	if *connect {
		return []measurement{{echo.Connections, echo.Plain, connections}}, nil
	}
	if *compress {
		return compressedMatrix(), nil
	}
	payloads, err1 := numbers(*sizes)
	counts, err2 := numbers(*conns)
	depths, err3 := numbers(*inflight)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	for kind := range strings.SplitSeq(*types, ",") {
		t, ok := map[string]ours.MessageType{"binary": ours.Binary, "text": ours.Text}[kind]
		if !ok {
			return nil, fmt.Errorf("no type %q of messages", kind)
		}
		for _, payload := range payloads {
			for _, count := range counts {
				for _, depth := range depths {
					if depth == 1 || count*depth*payload <= maxInFlight {
						all = append(all, measurement{echo.Messages, echo.Plain, load{kind, t, payload, count, depth}.measure})
					}
				}
			}
		}
	}
	return all, nil
}

func numbers(list string) (out []int, err error) {
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number from 1", s)
		}
		out = append(out, n)
	}
	return out, nil
}
