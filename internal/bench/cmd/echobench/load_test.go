package main

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	ours "github.com/protocol-websocket/websocket"
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
}

// TestMeasurements puts one server under each kind of load, for as long as it
// takes to answer each connection once.
func TestMeasurements(t *testing.T) {
	old := *duration
	defer func() { *duration = old }()
	*duration = 0
	for _, measure := range []measurement{
		load{"binary", ours.Binary, 16, 1, 1}.measure,
		load{"text", ours.Text, 16, 5, 16}.measure,
		load{"binary", ours.Binary, 1 << 20, 2, 1}.measure,
		connections,
	} {
		p, err := harness.Start(exec.Command(os.Args[0], "-serve", "ours"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := measure("ours", p)
		p.Stop()
		if err != nil {
			t.Fatal(err)
		}
		if r.Param("lib") != "ours" {
			t.Errorf("result %v", r)
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
