module github.com/protocol-websocket/websocket/examples/eventloop

go 1.26

replace github.com/protocol-websocket/websocket => ../..

require (
	github.com/protocol-websocket/websocket v0.0.0-00010101000000-000000000000
	golang.org/x/sys v0.47.0
)

require (
	golang.org/x/net v0.58.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)
