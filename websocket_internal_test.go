package websocket

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// A packed header is unpacked as it was, whatever a handler has put there.
func TestPackedHeader(t *testing.T) {
	for _, h := range []http.Header{
		{},
		{"Host": {"example.com"}},
		{"Ends with an empty value": {""}},
		{"Ends without a value": {}},
		{"A": {"1", "", "2"}, "B": {}, "": {"no name"}, "\x80\n:": {"\x00\xff\r\n", strings.Repeat("long", 1000)}},
	} {
		if got := unpackHeader(packHeader(h)); !reflect.DeepEqual(got, h) {
			t.Errorf("unpacked is %q, want %q", got, h)
		}
	}
}

// Each call of Request returns a copy, with all that a handler of net/http may
// have added: values of the context and of the path.
func TestRequestIsACopy(t *testing.T) {
	r, err := http.NewRequest("GET", "http://a.example/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("A", "1")
	r.SetPathValue("id", "7")
	c := &Conn{request: keepRequest(r)}
	r.Header.Set("A", "2")
	first := c.Request()
	first.Header.Set("A", "3")
	if got := c.Request(); got.Header.Get("A") != "1" || got.PathValue("id") != "7" || got.URL.Path != "/x" {
		t.Errorf("header %v, path value %q, URL %v", got.Header, got.PathValue("id"), got.URL)
	}
	if r := (&Conn{}).Request(); r != nil {
		t.Errorf("request of a client is %v, want nil", r)
	}
}
