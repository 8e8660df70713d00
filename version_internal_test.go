package websocket

import (
	"testing"
)

// Versions have the names and numbers of the documentation, and ParseVersion
// and the text methods read what String writes.
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

// The versions differ on the wire in these points, besides the framing.
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
