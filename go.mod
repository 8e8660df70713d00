module github.com/protocol-websocket/websocket

go 1.26

require golang.org/x/net v0.58.0

require golang.org/x/text v0.41.0 // indirect
