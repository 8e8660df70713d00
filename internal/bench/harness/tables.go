package harness

// EchoTables show what cmd/echobench measures.
var EchoTables = []Table{
	{Bench: "Echo", Title: "CPU of the server, µs a message", Note: "In brackets the least and the most of the rounds, in percent of their median.", Floor: "raw",
		Cells: []Cell{{Unit: "cpu-ns/msg", Scale: 1e-3, Spread: true}}},
	{Bench: "Echo", Title: "Thousand messages a second", Floor: "raw", Cells: []Cell{{Unit: "msg/s", Scale: 1e-3, Higher: true}}},
	{Bench: "Echo", Title: "Round trip of all that is in flight on a connection, µs: the median, in brackets the 99th percentile",
		Note: "Where the 99th percentile is far from the median, as with many connections and 1 MiB, some connections starve while others are served: such a median tells who was lucky, and its ratio nothing. Look at messages a second.", Floor: "raw",
		Cells: []Cell{{Unit: "p50-ns", Scale: 1e-3, Beside: "p99-ns", BesideScale: 1e-3}}},
	{Bench: "Echo", Title: "CPU of the load, cores", Alone: true, Cells: []Cell{{Unit: "load-cores"}}},
	{Bench: "Connect", Title: "Connections that open, echo once and close", Floor: "raw-small", Cells: []Cell{
		{Unit: "cpu-ns/conn", Label: "CPU of the server, µs", Scale: 1e-3},
		{Unit: "conn/s", Label: "a second", Higher: true},
	}},
	{Bench: "Connect", Title: "CPU of the load, cores", Alone: true, Cells: []Cell{{Unit: "load-cores"}}},
}

// CompressedTables show what cmd/echobench measures with -compress.
var CompressedTables = []Table{
	{Bench: "EchoCompressed", Title: "CPU of the server, µs a message", Floor: "raw", Cells: []Cell{{Unit: "cpu-ns/msg", Scale: 1e-3}}},
	{Bench: "EchoCompressed", Title: "Thousand messages a second", Floor: "raw", Cells: []Cell{{Unit: "msg/s", Scale: 1e-3, Higher: true}}},
	{Bench: "EchoCompressed", Title: "Round trip, µs: the median, in brackets the 99th percentile", Floor: "raw",
		Cells: []Cell{{Unit: "p50-ns", Scale: 1e-3, Beside: "p99-ns", BesideScale: 1e-3}}},
	{Bench: "EchoCompressed", Title: "Bytes a message that the server sends; raw sends back those of the client", Floor: "raw", Cells: []Cell{{Unit: "sent-B/msg"}}},
	{Bench: "EchoCompressed", Title: "CPU of the load, cores", Alone: true, Cells: []Cell{{Unit: "load-cores"}}},
}

// IdleTable shows what cmd/idlebench measures.
var IdleTable = Table{Bench: "Idle", Title: "Memory of an idle connection, bytes", Floor: "raw-small", Cells: idleCells}

// CompressedIdleTable shows what cmd/idlebench measures with -compress.
var CompressedIdleTable = Table{Bench: "IdleCompressed", Title: "Memory of an idle connection with compression, bytes", Floor: "raw-small", Cells: idleCells}

var idleCells = []Cell{
	{Unit: "rss-B/conn", Label: "RSS"},
	{Unit: "heap-B/conn", Label: "heap"},
	{Unit: "stack-B/conn", Label: "stack"},
}
