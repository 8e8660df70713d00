module github.com/protocol-websocket/websocket/internal/mutate

go 1.26
