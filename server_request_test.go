package websocket_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
)

// While ServeHTTP waits for the handler, Request is what ServeHTTP was called
// with, so that a connection keeps no copy and a handler sees all that stands
// around it: with Check's context if there is one, and otherwise the very same.
func TestRequestInServeHTTP(t *testing.T) {
	for name, check := range map[string]func(*http.Request, http.Header) (context.Context, error){
		"no Check":                nil,
		"Check without a context": func(*http.Request, http.Header) (context.Context, error) { return nil, nil },
		"Check with a context": func(r *http.Request, _ http.Header) (context.Context, error) {
			return context.WithValue(r.Context(), checkKey{}, "user"), nil
		},
	} {
		for _, length := range []string{"", "8"} { // some clients of hybi-00 count key3 as a body
			t.Run(name+"/Content-Length "+length, func(t *testing.T) {
				eachVersion(t, func(t *testing.T, v websocket.Version) {
					synctest.Test(t, func(t *testing.T) {
						var given *http.Request
						done := make(chan struct{})
						s := &websocket.Server{Upgrader: websocket.Upgrader{Check: check}, Handler: func(_ context.Context, c *websocket.Conn) error {
							defer close(done)
							r := c.Request()
							if r != c.Request() {
								t.Error("two calls of Request give two requests")
							}
							if isSame := r == given; isSame != (name != "Check with a context" && r.ContentLength == 0) {
								t.Errorf("Request gives what ServeHTTP was called with: %t", isSame)
							}
							if r.Header.Get("Origin")+r.Header.Get("Sec-WebSocket-Origin") == "" || r.Pattern != "/{room}" || r.PathValue("room") != "chat" || r.URL.RawQuery != "room=1" {
								t.Errorf("Request is %+v, want all of it", r)
							}
							if r.Context().Value(serverKey{}) != "value" || name == "Check with a context" && r.Context().Value(checkKey{}) != "user" || r.Context().Done() == nil {
								t.Errorf("context of Request is %v, want the values and the end of the request's", r.Context())
							}
							if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
								t.Errorf("body: %d, %v; want it empty: what follows belongs to the connection", n, err)
							}
							return nil
						}}
						mux := http.NewServeMux()
						mux.HandleFunc("/{room}", func(w http.ResponseWriter, r *http.Request) {
							given = r.WithContext(context.WithValue(r.Context(), serverKey{}, "value"))
							s.ServeHTTP(w, given)
						})
						request := requestOf(v)
						if v == websocket.Hybi00 && length != "" {
							request = request.with("Content-Length", length)
						}
						client := connectTo(t, &http.Server{Handler: mux})
						go io.WriteString(client, request.String())
						go io.Copy(io.Discard, client)
						<-done
						s.Close()
					})
				})
			})
		}
	}
}
