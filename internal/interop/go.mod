module github.com/protocol-websocket/websocket/internal/interop

go 1.26

replace github.com/protocol-websocket/websocket => ../..

require (
	github.com/coder/websocket v1.8.15
	github.com/gobwas/httphead v0.1.0
	github.com/gobwas/ws v1.4.0
	github.com/gorilla/websocket v1.5.3
	github.com/lxzan/gws v1.8.9
	github.com/protocol-websocket/websocket v0.0.0-00010101000000-000000000000
	golang.org/x/net v0.58.0
)

require (
	github.com/dolthub/maphash v0.1.0 // indirect
	github.com/gobwas/pool v0.2.1 // indirect
	github.com/klauspost/compress v1.17.9 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)
