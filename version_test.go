package websocket_test

import (
	"encoding"
	"encoding/json"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

var versionTexts = []struct {
	name string
	want websocket.Version
}{
	{"rfc6455", websocket.RFC6455}, {"RFC6455", websocket.RFC6455}, {"13", websocket.RFC6455},
	{"draft-ietf-hybi-17", websocket.RFC6455}, {"draft-ietf-hybi-13", websocket.RFC6455}, {"hybi-17", websocket.RFC6455}, {"hybi17", websocket.RFC6455}, {"hybi-15", websocket.RFC6455},
	{"draft-ietf-hybi-thewebsocketprotocol-17", websocket.RFC6455},
	{"draft-ietf-hybi-10", websocket.Hybi10}, {"draft-ietf-hybi-08", websocket.Hybi10}, {"draft-ietf-hybi-12", websocket.Hybi10}, {"hybi-10", websocket.Hybi10}, {"8", websocket.Hybi10}, {"hybi-8", websocket.Hybi10},
	{"draft-ietf-hybi-07", websocket.Hybi07}, {"hybi-07", websocket.Hybi07}, {"Hybi07", websocket.Hybi07}, {"7", websocket.Hybi07},
	{"draft-ietf-hybi-00", websocket.Hybi00}, {"hybi-00", websocket.Hybi00}, {"Hybi00", websocket.Hybi00}, {"hybi-0", websocket.Hybi00},
	{"hixie-76", websocket.Hybi00}, {"hixie76", websocket.Hybi00}, {"draft-hixie-76", websocket.Hybi00}, {"draft-hixie-thewebsocketprotocol-76", websocket.Hybi00},
	{"draft-hixie-75", websocket.Hixie75}, {"hixie-75", websocket.Hixie75}, {"Hixie75", websocket.Hixie75}, {"draft-hixie-thewebsocketprotocol-75", websocket.Hixie75},
}

func TestParseVersion(t *testing.T) {
	for _, tt := range versionTexts {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := websocket.ParseVersion(tt.name); got != tt.want || err != nil {
				t.Errorf("ParseVersion(%q) is %v, error %v: want %v", tt.name, got, err, tt.want)
			}
		})
	}
}

func TestParseVersionRefuses(t *testing.T) {
	for _, name := range []string{
		"", " ", "rfc", "rfc6454", "rfc-6455", "6455", "0", "00", "1", "4", "6", "9", "12", "14", "17", "255", "-7", "+7", "07",
		"hybi", "hybi-", "hybi--7", "hybi-+7", "hybi-007", "hybi-7 ", " hybi-7", "hybi-18", "hybi-99", "hybi-263", "hybi-0x7", "hybi-١٠",
		"hybi-01", "hybi-02", "hybi-03", "hybi-04", "hybi-05", "hybi-06", "draft-ietf-hybi-06",
		"hixie", "hixie-", "hixie-74", "hixie-77", "draft-hixie-7", "draft-17", "draft-ietf-17", "ietf-10", "draft-", "draft-ietf-",
		"draft-ietf-hybi-thewebsocketprotocol", "draft-ietf-hybi-thewebsocketprotocol-06", "Version(0)",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := websocket.ParseVersion(name)
			if err == nil || !strings.HasPrefix(err.Error(), "websocket: ") || got != 0 {
				t.Errorf("ParseVersion(%q) is %v, error %v: want an error", name, got, err)
			}
		})
	}
}

var (
	_ encoding.TextMarshaler   = websocket.RFC6455
	_ encoding.TextUnmarshaler = new(websocket.Version)
)

func TestVersionInJSON(t *testing.T) {
	var got struct {
		Versions []websocket.Version
		By       map[websocket.Version]int
	}
	const in = `{"Versions":["rfc6455","draft-ietf-hybi-10","draft-hixie-75"],"By":{"draft-ietf-hybi-07":1}}`
	if err := json.Unmarshal([]byte(in), &got); err != nil {
		t.Fatal(err)
	}
	if out, err := json.Marshal(got); string(out) != in || err != nil {
		t.Errorf("JSON is %s, error %v: want %s", out, err, in)
	}
	if err := json.Unmarshal([]byte(`{"Versions":["hybi-06"]}`), &got); err == nil {
		t.Error("hybi-06 in JSON gives no error")
	}
	got.Versions[0] = websocket.Hybi10
	if err := got.Versions[0].UnmarshalText([]byte("nonsense")); err == nil || got.Versions[0] != websocket.Hybi10 {
		t.Errorf("after a text that is refused the version is %v, error %v: want it as it was", got.Versions[0], err)
	}
}

func TestVersionAsFlag(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want websocket.Version
		ok   bool
	}{
		{nil, websocket.Hybi10, true},
		{[]string{"-v", "hixie-76"}, websocket.Hybi00, true},
		{[]string{"-v", "hixie-77"}, websocket.Hybi10, false},
	} {
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		var v websocket.Version
		fs.TextVar(&v, "v", websocket.Hybi10, "version")
		if err := fs.Parse(tt.args); v != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: version %v, error %v: want %v", tt.args, v, err, tt.want)
		}
	}
}
