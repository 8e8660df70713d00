package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/protocol-websocket/websocket/internal/bench/echo"
	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

// section is a part of the report.
type section struct {
	title   string
	text    string
	command string
	tables  []harness.Table
}

var nanoseconds = []harness.Cell{{Unit: "ns/op", Beside: "allocs/op"}}

const inBrackets = "Nanoseconds an operation, in brackets all its allocations."

var sections = []section{
	{"Echo on loopback", "The server has one core and the load another. Where the load's CPU comes near one core, rate and round trip are the load's, and only the CPU of the server tells servers apart.\n\n![CPU a message](cpu.svg)",
		"go run ./cmd/echobench", harness.EchoTables[:4]},
	{"Connections", "Each is opened, upgraded, echoes 125 bytes once, and is closed, 8 at a time. A Server of this package starts a goroutine with a context of its own for each and lists it for Shutdown, which frees net/http's memory and ends connections in order: that pays where they live longer than this.",
		"go run ./cmd/echobench -connect", harness.EchoTables[4:]},
	{"Idle connections", "After each has echoed 125 bytes once, and a garbage collection. wsutil and raw-small have no buffers, or one of 512 bytes: less memory, and of wsutil more system calls for each message.\n\n![Memory of an idle connection](memory.svg)",
		"go run ./cmd/idlebench", []harness.Table{harness.IdleTable}},
	{"Compressed echo on loopback", "Messages of JSON, one in flight on each connection. The client compresses each by itself; takeover means that the answers refer to what was sent before, which gorilla does not have. raw sends back the bytes of the client.",
		"go run ./cmd/echobench -compress", harness.CompressedTables},
	{"Idle connections with compression", "After each has echoed 20 compressed messages of 512 bytes with context takeover, and a garbage collection. The heap counts what was never touched, too, RSS does not.",
		"go run ./cmd/idlebench -compress", []harness.Table{harness.CompressedIdleTable}},
	{"Whole messages in memory", inBrackets + " The connection below is memory that copies what is written, as a kernel does, but a system call costs nothing. \"raw\" moves the same bytes without a protocol; no ratio to it where frames are masked, which it does not do.",
		"go test -run '^$' -bench '(Read|Write|Prepared)$' .", wholeTables()},
	{"System calls of a write", "What a message above would cost on a socket that has room for it: calls of write(2), or of writev(2) for the parts of net.Buffers. Of 1 MiB a client of this package masks and writes 64 KiB at a time, so as not to hold a copy of the message.",
		"go test -run '^$' -bench 'Write$' .", apart(tables("raw", []harness.Cell{{Unit: "writes/op"}}, "ServerWrite", "ClientWrite"))},
	{"Messages in pieces of 4 KiB, in memory", inBrackets,
		"go test -run '^$' -bench 'Stream$' .", streamTables()},
	{"Concurrent writers", "Goroutines write messages of 120 bytes on one TCP connection; nanoseconds until a message has arrived, in brackets its allocations. gorilla, gobwas, wsutil and raw have a mutex around the write, the others their own.",
		"go test -run '^$' -bench ConcurrentWrite .", tables("raw", nanoseconds, "ConcurrentWrite")},
	{"Compression in memory", "A server in memory inflates messages of JSON and sends them back compressed: nanoseconds each, in brackets the bytes that it sends. takeover means that what it sends refers to what it sent before; gorilla has none. Then the memory of a connection after 20 such messages of 512 bytes, without its socket.",
		"go test -run '^$' -bench Compressed .", append(
			tables("", []harness.Cell{{Unit: "ns/op", Beside: "sent-bytes/op"}}, "CompressedEcho"),
			tables("", []harness.Cell{{Unit: "RSS-bytes/conn", Label: "RSS, bytes"}}, "CompressedIdle")...)},
	{"Broadcast", "One prepared message of 125 bytes until it has arrived at 1,000 TCP connections, in microseconds. coder and xnet have none and write to each. gws writes to each from a goroutine, on both cores at once; the others, this package too, one after the other from one.",
		"go test -run '^$' -bench Broadcast .", tables("raw", []harness.Cell{{Unit: "ns/op", Scale: 1e-3, Beside: "allocs/op"}}, "Broadcast")},
	{"Upgrades through net/http", inBrackets + " \"none\" takes the connection and writes an answer made before, which is what net/http costs alone. Ratios are of the whole times. The difference to none has no ratio: where it is near zero, or below, it is noise. First with a request parsed before, then served by net/http.",
		"go test -run '^$' -bench Upgrade .", []harness.Table{
			{Bench: "Upgrade", Title: "Upgrade", Floor: "none", Cells: overNone},
			{Bench: "UpgradeServer", Title: "UpgradeServer", Floor: "none", Cells: overNone},
		}},
	{"Handshakes on bytes", inBrackets + " The server alone, then client and server together. This package makes an http.Request of the head, for programs to look at, and knows five versions; gobwas looks at the headers of one.",
		"go test -run '^$' -bench Handshake .", tables("", nanoseconds, "ServerHandshake", "BothHandshakes")},
	{"Frames of every version, without I/O", inBrackets,
		"go test -run '^$' -bench '(AppendFrame|ParseFrame|Parser)$' .", codecTables()},
	{"Masking and UTF-8", "Megabytes a second, beside memcpy, which is the column floor; shifted is in place and not aligned. UTF-8 is beside package unicode/utf8, which is Valid.",
		"cd ../.. && go test -run '^$' -bench '^Benchmark(Copy|UTF8)$' ./internal/mask ./internal/utf8text", []harness.Table{
			{Bench: "Copy", Title: "Masking", Column: "case", Ours: "copy", Floor: "floor", Alone: true, Cells: megabytes},
			{Bench: "UTF8", Title: "UTF8", Column: "case", Ours: "checker", Cells: megabytes},
		}},
}

var overNone = []harness.Cell{
	{Unit: "ns/op", Label: "ns", Beside: "allocs/op"},
	{Unit: "ns/op", Label: "more than none, ns", OverFloor: true},
}

var megabytes = []harness.Cell{{Unit: "MB/s", Higher: true}}

func tables(floor string, cells []harness.Cell, benches ...string) (all []harness.Table) {
	for _, bench := range benches {
		all = append(all, harness.Table{Bench: bench, Title: bench, Floor: floor, Cells: cells})
	}
	return all
}

// wholeTables say why this package is behind where it is.
func wholeTables() []harness.Table {
	const read = "Only this package and wsutil check the UTF-8 of text, and this one locks the connection to read; gobwas checks nothing but headers."
	all := tables("raw", nanoseconds, "ServerRead", "ClientRead", "ServerWrite", "ClientWrite", "ServerWritePrepared", "ClientWritePrepared")
	all[0].Note, all[0].Apart = read, true
	all[1].Note = read
	all[2].Note = "Up to 64 KiB this package, as gws, copies header and payload into one buffer, for one write(2). Of large payloads, coder, gobwas, wsutil and xnet make a call of their own, and gorilla a part of a writev(2): here calls are free, and the copy costs."
	all[3].Note, all[3].Apart = "This package, coder and xnet draw masking keys from crypto/rand, since RFC 6455 section 5.3 demands a strong source of entropy; the others draw them from math/rand, which is quicker for short messages.", true
	all[4].Note = "gobwas has the frame as bytes and writes them to the connection by itself; this package and gorilla take turns with other writers first."
	all[5].Note = "gorilla sends one frame with the same masking key again and again, which RFC 6455 section 5.3 forbids: the key must be fresh and not predictable. This package masks anew each time, which is the difference from 16 KiB on."
	return all
}

func streamTables() []harness.Table {
	const read = "Pieces pass through the connection's buffer, a copy that gorilla and wsutil spare those that are as large as theirs; each read locks the connection, and text is checked. Of the others only wsutil checks text."
	const written = "This package gathers pieces into fragments of 16 KiB, which is a copy more than wsutil makes, and locks the connection for each: 64 KiB are 4 writes and not 17 or 33. Here writes are free, and the copy costs."
	all := tables("", nanoseconds, "ServerReadStream", "ClientReadStream", "ServerWriteStream", "ClientWriteStream")
	for i, note := range []string{read, read, written, written} {
		all[i].Note = note
	}
	return all
}

// apart is for tables in which "raw" does less than the others have to.
func apart(all []harness.Table) []harness.Table {
	for i := range all {
		all[i].Apart = true
	}
	return all
}

func codecTables() []harness.Table {
	all := tables("", nanoseconds, "AppendFrame", "ParseFrame", "Parser")
	for i := range all {
		all[i].Column = "version"
	}
	return all
}

// report returns RESULTS.md.
func report(settings []harness.Setting, results []harness.Result) string {
	var b strings.Builder
	b.WriteString("# Results\n\nMade by `go run ./cmd/report` in one run. Each figure is a median, of as many measurements as each section says; compare ratios.\n" +
		"A ratio is this package's figure divided by the other's: below 1 is better, in tables of rates above 1.\n" +
		"Ratios between 0.85 and 1.15 mean equal here: runs, and rounds of one run, differ by as much.\n\n")
	for _, s := range settings {
		fmt.Fprintf(&b, "- %s: %s\n", s.Key, s.Value)
	}
	for _, s := range sections {
		b.WriteString(s.markdown(results))
	}
	b.WriteString("\n## The servers\n\nHow those of the first five sections are configured:\n\n")
	for _, s := range echo.Servers {
		fmt.Fprintf(&b, "- **%s**: %s\n", s.Name, s.Note)
	}
	b.WriteString("\nWith compression, as above but:\n\n")
	for _, s := range echo.Compressed {
		fmt.Fprintf(&b, "- **%s**: %s\n", s.Name, s.Note)
	}
	return b.String()
}

// markdown returns "" if nothing of the section was measured.
func (s section) markdown(results []harness.Result) string {
	var body strings.Builder
	var least, most int
	for _, t := range s.tables {
		if table := t.Markdown(results); table != "" {
			body.WriteString("\n" + table)
			l, m := t.Times(results)
			least, most = min(l, cmp.Or(least, l)), max(m, most)
		}
	}
	if body.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("\n## %s\n\n%s\n\n`%s`, %s\n%s", s.title, s.text, s.command, measured(least, most), body.String())
}

// measured says of how many measurements a median is.
func measured(least, most int) string {
	switch {
	case most == 1:
		return "measured once"
	case least == most:
		return fmt.Sprintf("medians of %d", most)
	}
	return fmt.Sprintf("medians of %d to %d", least, most)
}

func cpuPlot(results []harness.Result) string {
	t := harness.EchoTables[0]
	var panels []harness.Panel
	for _, at := range []struct{ title, kind, size, inflight string }{
		{"125 bytes, one message in flight", "binary", "125", "1"},
		{"125 bytes, 16 messages in flight", "binary", "125", "16"},
		{"64 KiB, one message in flight", "binary", "65536", "1"},
		{"64 KiB of text, one message in flight; ours and wsutil check UTF-8", "text", "65536", "1"},
	} {
		panels = append(panels, t.Panel(at.title, results,
			harness.Param{Key: "type", Value: at.kind}, harness.Param{Key: "size", Value: at.size},
			harness.Param{Key: "conns", Value: "50"}, harness.Param{Key: "inflight", Value: at.inflight}))
	}
	return harness.SVG("Echo on loopback, 50 connections", "CPU of the server, µs a message", panels)
}

func memoryPlot(results []harness.Result) string {
	var panels []harness.Panel
	for _, over := range []string{"plain", "tls"} {
		panels = append(panels, harness.IdleTable.Panel(over, results, harness.Param{Key: "over", Value: over}))
	}
	return harness.SVG("Idle connections after one echo", "resident memory of the server, bytes a connection", panels)
}
