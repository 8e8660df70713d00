package main

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/echo"
	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

// TestMain lets the test program be the server that it measures.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-serve") {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestMatrix(t *testing.T) {
	all, err := matrix()
	if err != nil {
		t.Fatal(err)
	}
	// For each type, 16 messages in flight are too much for 500 connections of
	// 16 KiB, 500 of 64 KiB, and 50 and 500 of 1 MiB.
	if want := 2 * (6*3*2 - 4); len(all) != want {
		t.Errorf("%d measurements, want %d", len(all), want)
	}
	*compress = true
	defer func() { *compress = false }()
	if all, err := matrix(); err != nil || len(all) != 4 {
		t.Errorf("%d measurements of compression, %v, want 4: two sizes with and without takeover", len(all), err)
	}
}

// TestMeasurements puts one server under each kind of load, for as long as it
// takes to answer each connection once.
func TestMeasurements(t *testing.T) {
	old := *duration
	defer func() { *duration = old }()
	*duration = 0
	for _, measure := range []func(string, *harness.Process) (harness.Result, error){
		load{"binary", ours.Binary, 16, 1, 1}.measure,
		load{"text", ours.Text, 16, 5, 16}.measure,
		load{"binary", ours.Binary, 1 << 20, 2, 1}.measure,
		connections,
	} {
		if r := measureOnce(t, "ours", echo.Plain, measure); r.Param("lib") != "ours" {
			t.Errorf("result %v", r)
		}
	}
}

func measureOnce(t *testing.T, name string, d echo.Deflate, measure func(string, *harness.Process) (harness.Result, error)) harness.Result {
	t.Helper()
	p, err := harness.Start(exec.Command(os.Args[0], "-serve", name, "-deflate", string(d)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	r, err := measure(name, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCompressedMeasurements compares what is sent for messages of 512 bytes.
func TestCompressedMeasurements(t *testing.T) {
	old := *duration
	defer func() { *duration = old }()
	*duration = 0
	sent := map[string]float64{}
	for _, name := range []string{"raw", "ours"} {
		for _, d := range []echo.Deflate{echo.Alone, echo.Takeover} {
			r := measureOnce(t, name, d, compressedLoad{d, 512, 8}.measure)
			sent[name+" "+string(d)] = r.Metrics["sent-B/msg"]
		}
	}
	for what, n := range sent {
		if n < 64 || n > 256 {
			t.Errorf("%s: %v bytes a message, want 64 to 256", what, n)
		}
	}
	if sent["ours takeover"] >= sent["ours alone"] {
		t.Errorf("takeover saves nothing: %v", sent)
	}
}

// TestTake refuses more than was asked for.
func TestTake(t *testing.T) {
	answer := []byte{0xc1, 1, 0}
	for _, tt := range []struct {
		name string
		c    conn
		in   []byte
		left int // less than 0: an error
	}{
		{"bytes", conn{left: 4}, answer, 1},
		{"more bytes", conn{left: 2}, answer, -1},
		{"message", conn{left: 1, answers: new(harness.Answers)}, answer, 0},
		{"part of a message", conn{left: 1, answers: new(harness.Answers)}, answer[:2], 1},
		{"more messages", conn{left: 1, answers: new(harness.Answers)}, append(answer, answer...), -1},
		{"no message", conn{left: 1, answers: new(harness.Answers)}, []byte("HTTP"), -1},
	} {
		err := tt.c.take(tt.in)
		if (err != nil) != (tt.left < 0) || err == nil && tt.c.left != tt.left {
			t.Errorf("%s: %d left, %v; want %d", tt.name, tt.c.left, err, tt.left)
		}
	}
}

func TestNumbers(t *testing.T) {
	if got, err := numbers("1,50"); err != nil || len(got) != 2 || got[1] != 50 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, list := range []string{"", "1,", "0", "x"} {
		if got, err := numbers(list); err == nil {
			t.Errorf("got %v of %q", got, list)
		}
	}
}
