package websocket

import (
	"encoding"
	"encoding/json"
	"flag"
	"io"
	"strings"
	"testing"
)

var coreVersionNames = []struct {
	name string
	want Version
}{
	{"rfc6455", RFC6455}, {"RFC6455", RFC6455}, {"13", RFC6455},
	{"draft-ietf-hybi-17", RFC6455}, {"draft-ietf-hybi-13", RFC6455}, {"hybi-17", RFC6455}, {"hybi17", RFC6455}, {"hybi-15", RFC6455},
	{"draft-ietf-hybi-thewebsocketprotocol-17", RFC6455},
	{"draft-ietf-hybi-10", Hybi10}, {"draft-ietf-hybi-08", Hybi10}, {"draft-ietf-hybi-12", Hybi10}, {"hybi-10", Hybi10}, {"8", Hybi10}, {"hybi-8", Hybi10},
	{"draft-ietf-hybi-07", Hybi07}, {"hybi-07", Hybi07}, {"Hybi07", Hybi07}, {"7", Hybi07},
	{"draft-ietf-hybi-00", Hybi00}, {"hybi-00", Hybi00}, {"Hybi00", Hybi00}, {"hybi-0", Hybi00},
	{"hixie-76", Hybi00}, {"hixie76", Hybi00}, {"draft-hixie-76", Hybi00}, {"draft-hixie-thewebsocketprotocol-76", Hybi00},
	{"draft-hixie-75", Hixie75}, {"hixie-75", Hixie75}, {"Hixie75", Hixie75}, {"draft-hixie-thewebsocketprotocol-75", Hixie75},
}

func TestParseVersion(t *testing.T) {
	for _, tt := range coreVersionNames {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := ParseVersion(tt.name); got != tt.want || err != nil {
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
			got, err := ParseVersion(name)
			if err == nil || !strings.HasPrefix(err.Error(), "websocket: ") || got != 0 {
				t.Errorf("ParseVersion(%q) is %v, error %v: want an error", name, got, err)
			}
		})
	}
}

// The names and numbers that stand in the documentation, and that
// ParseVersion and the text methods read what String writes.
func TestVersionNames(t *testing.T) {
	for _, tt := range []struct {
		v            Version
		name, number string
	}{
		{RFC6455, "rfc6455", "13"},
		{Hybi10, "draft-ietf-hybi-10", "8"},
		{Hybi07, "draft-ietf-hybi-07", "7"},
		{Hybi00, "draft-ietf-hybi-00", ""},
		{Hixie75, "draft-hixie-75", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := tt.v.MarshalText()
			if tt.v.String() != tt.name || string(text) != tt.name || err != nil || tt.v.traits().number != tt.number {
				t.Errorf("name %q, text %q, error %v, number %q: want %q, %q", tt.v, text, err, tt.v.traits().number, tt.name, tt.number)
			}
			var got Version = 99
			if err := got.UnmarshalText(text); got != tt.v || err != nil {
				t.Errorf("text reads back as %v, error %v", got, err)
			}
		})
	}
	if len(allVersions) != versions {
		t.Errorf("%d of %d versions in allVersions", len(allVersions), versions)
	}
}

func TestUnknownVersion(t *testing.T) {
	for v, name := range map[Version]string{versions: "Version(5)", 255: "Version(255)"} {
		if v.String() != name || v.valid() || v.check() == nil {
			t.Errorf("%v, valid %v, error %v: want %s and an error", v, v.valid(), v.check(), name)
		}
		if text, err := v.MarshalText(); err == nil || text != nil {
			t.Errorf("%v marshals as %q", v, text)
		}
		if got := v.traits(); got != RFC6455.traits() {
			t.Errorf("%v has the traits of %q, want those of rfc6455", v, got.name)
		}
	}
}

var (
	_ encoding.TextMarshaler   = RFC6455
	_ encoding.TextUnmarshaler = new(Version)
)

func TestVersionInJSON(t *testing.T) {
	var got struct {
		Versions []Version
		By       map[Version]int
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
	got.Versions[0] = Hybi10
	if err := got.Versions[0].UnmarshalText([]byte("nonsense")); err == nil || got.Versions[0] != Hybi10 {
		t.Errorf("after a text that is refused the version is %v, error %v: want it as it was", got.Versions[0], err)
	}
}

func TestVersionAsFlag(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want Version
		ok   bool
	}{
		{nil, Hybi10, true},
		{[]string{"-v", "hixie-76"}, Hybi00, true},
		{[]string{"-v", "hixie-77"}, Hybi10, false},
	} {
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		var v Version
		fs.TextVar(&v, "v", Hybi10, "version")
		if err := fs.Parse(tt.args); v != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: version %v, error %v: want %v", tt.args, v, err, tt.want)
		}
	}
}

// The value of Sec-WebSocket-Version in a 426 response.
func TestVersionNumbers(t *testing.T) {
	for _, tt := range []struct {
		list []Version
		want string
	}{
		{allVersions, "13, 8, 7"},
		{[]Version{Hixie75, Hybi07, RFC6455, Hybi07}, "13, 7"},
		{[]Version{Hybi10}, "8"},
		{[]Version{Hixie75, Hybi00}, ""},
		{nil, ""},
	} {
		if got := versionNumbers(tt.list); got != tt.want {
			t.Errorf("versionNumbers(%v) is %q, want %q", tt.list, got, tt.want)
		}
	}
}

// What differs between the versions on the wire beside the framing.
func TestTraits(t *testing.T) {
	for _, tt := range []struct {
		v                                                     Version
		hixie                                                 bool
		reason, upgrade, originHeader, protocolHeader, prefix string
		closeFrame, code1004                                  bool
		keyBytes                                              int
		proof                                                 proof
	}{
		{RFC6455, false, "Switching Protocols", "websocket", "Origin", "Sec-WebSocket-Protocol", "", true, false, 16, proofAccept},
		{Hybi10, false, "Switching Protocols", "websocket", "Sec-WebSocket-Origin", "Sec-WebSocket-Protocol", "", true, true, 0, proofAccept},
		{Hybi07, false, "Switching Protocols", "websocket", "Sec-WebSocket-Origin", "Sec-WebSocket-Protocol", "", true, true, 0, proofAccept},
		{Hybi00, true, "WebSocket Protocol Handshake", "WebSocket", "Origin", "Sec-WebSocket-Protocol", "Sec-WebSocket-", true, false, 0, proofChallenge},
		{Hixie75, true, "Web Socket Protocol Handshake", "WebSocket", "Origin", "WebSocket-Protocol", "WebSocket-", false, false, 0, proofRepeat},
	} {
		t.Run(tt.v.String(), func(t *testing.T) {
			got := *tt.v.traits()
			want := traits{
				name: got.name, number: got.number, reason: tt.reason, upgrade: tt.upgrade,
				originHeader: got.originHeader, protocolHeader: got.protocolHeader, headerPrefix: tt.prefix,
				closeFrame: tt.closeFrame, code1004: tt.code1004, keyBytes: tt.keyBytes, proof: tt.proof,
				originRequired: tt.hixie, subprotocolList: !tt.hixie, extensions: !tt.hixie, offersDeflate: tt.v == RFC6455,
				masks: !tt.hixie, fragments: !tt.hixie, ping: !tt.hixie, closeCodes: !tt.hixie, serverEnds: !tt.hixie,
			}
			if got != want || tt.v.hixie() != tt.hixie {
				t.Errorf("traits are %+v, hixie %v\nwant %+v, hixie %v", got, tt.v.hixie(), want, tt.hixie)
			}
			if wireName(got.originHeader) != tt.originHeader || wireName(got.protocolHeader) != tt.protocolHeader {
				t.Errorf("headers %s and %s, want %s and %s", wireName(got.originHeader), wireName(got.protocolHeader), tt.originHeader, tt.protocolHeader)
			}
		})
	}
}
