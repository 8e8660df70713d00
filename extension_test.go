package websocket

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Abbreviations for the tables.
const (
	deflateSNT = "; server_no_context_takeover"
	deflateCNT = "; client_no_context_takeover"
	deflateSMB = "; server_max_window_bits"
	deflateCMB = "; client_max_window_bits"
)

func TestDeflateOffer(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    *Compression
		want string
	}{
		{"nil", nil, ""},
		{"zero", &Compression{}, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12, permessage-deflate; client_max_window_bits"},
		{"14 bits", &Compression{WindowBits: 14}, "permessage-deflate; server_max_window_bits=14; client_max_window_bits=14, permessage-deflate; client_max_window_bits"},
		{"8 bits, with which zlib cannot compress", &Compression{WindowBits: 8},
			"permessage-deflate; server_max_window_bits=9; client_max_window_bits=8, permessage-deflate; client_max_window_bits"},
		{"15 bits, as Chrome", &Compression{WindowBits: 15}, "permessage-deflate; client_max_window_bits"},
		{"no context takeover", &Compression{NoContextTakeover: true},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=12, " +
				"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		{"no context takeover, 15 bits", &Compression{NoContextTakeover: true, WindowBits: 15},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		{"Threshold is our own business", &Compression{Threshold: 1, WindowBits: 15}, "permessage-deflate; client_max_window_bits"},
	} {
		if got := tt.c.offer(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// What clients offer, and what a server answers with the zero Compression, with
// NoContextTakeover, and with a window of 15 bits.
func TestDeflateAccept(t *testing.T) {
	const d = "permessage-deflate"
	const both, twelve = d + deflateSNT + deflateCNT, deflateSMB + "=12"
	for _, tt := range []struct {
		name, offer             string
		small, alone, unlimited string
	}{
		{"Firefox, Safari", d, d + deflateCNT + twelve, both + twelve, d},
		{"Chrome, Node.js", d + deflateCMB, d + twelve + deflateCMB + "=12", both + twelve, d},
		{"gorilla, coder", both, both + twelve, both + twelve, both},
		{"ourselves", (&Compression{}).offer(), d + twelve + deflateCMB + "=12", both + twelve + deflateCMB + "=12", d + twelve + deflateCMB + "=12"},

		{"server_no_context_takeover", d + deflateSNT, both + twelve, both + twelve, d + deflateSNT},
		{"server_no_context_takeover, Chrome's window", d + deflateSNT + deflateCMB, d + deflateSNT + twelve + deflateCMB + "=12", both + twelve, d + deflateSNT},
		{"client_no_context_takeover", d + deflateCNT, d + deflateCNT + twelve, both + twelve, d + deflateCNT},
		{"client_no_context_takeover, any window", d + deflateCNT + deflateCMB, d + deflateCNT + twelve, both + twelve, d + deflateCNT},
		{"client_no_context_takeover, small window", d + deflateCNT + deflateCMB + "=10", d + deflateCNT + twelve + deflateCMB + "=10",
			both + twelve + deflateCMB + "=10", d + deflateCNT + deflateCMB + "=10"},

		{"server's window 8", d + deflateCMB + deflateSMB + "=8", d + deflateSMB + "=8" + deflateCMB + "=12", both + deflateSMB + "=8", d + deflateSMB + "=8"},
		{"server's window 13", d + deflateCMB + deflateSMB + "=13", d + twelve + deflateCMB + "=12", both + twelve, d + deflateSMB + "=13"},
		{"server's window 15", d + deflateCMB + deflateSMB + "=15", d + twelve + deflateCMB + "=12", both + twelve, d},
		{"client's window 8", d + deflateCMB + "=8", d + twelve + deflateCMB + "=8", both + twelve + deflateCMB + "=8", d + deflateCMB + "=8"},
		{"client's window 13", d + deflateCMB + "=13", d + twelve + deflateCMB + "=12", both + twelve + deflateCMB + "=13", d + deflateCMB + "=13"},
		{"client's window 15", d + deflateCMB + "=15", d + twelve + deflateCMB + "=12", both + twelve, d},
		{"all of them", d + deflateCMB + "=11" + deflateCNT + deflateSMB + "=10" + deflateSNT, both + deflateSMB + "=10" + deflateCMB + "=11",
			both + deflateSMB + "=10" + deflateCMB + "=11", both + deflateSMB + "=10" + deflateCMB + "=11"},
	} {
		for _, one := range []struct {
			name string
			c    Compression
			want string
		}{
			{"zero", Compression{}, tt.small},
			{"NoContextTakeover", Compression{NoContextTakeover: true}, tt.alone},
			{"15 bits", Compression{WindowBits: 15}, tt.unlimited},
		} {
			p, got, ok := one.c.accept([]string{tt.offer})
			if !ok || got != one.want || got != p.String() {
				t.Errorf("%s, %s: %q is answered %q (%t, %+v), want %q", tt.name, one.name, tt.offer, got, ok, p, one.want)
			}
			if bounded := p.clientNoTakeover || p.clientBits <= one.c.windowBits(); !bounded {
				t.Errorf("%s, %s: the client may fill a window of %d bits, which must be kept", tt.name, one.name, p.clientBits)
			}
		}
	}
}

// What a response leaves out is agreed on too.
func TestDeflateAcceptParams(t *testing.T) {
	for _, tt := range []struct {
		c     Compression
		offer string
		want  deflateParams
	}{
		{Compression{}, "permessage-deflate", deflateParams{false, true, 12, 15}},
		{Compression{}, "permessage-deflate; client_max_window_bits", deflateParams{false, false, 12, 12}},
		{Compression{WindowBits: 8}, "permessage-deflate; client_max_window_bits", deflateParams{false, false, 8, 9}},
		{Compression{WindowBits: 8}, "permessage-deflate; client_max_window_bits=8", deflateParams{false, false, 8, 8}},
		{Compression{WindowBits: 15}, "permessage-deflate", deflateParams{false, false, 15, 15}},
		{Compression{NoContextTakeover: true}, "permessage-deflate; client_max_window_bits", deflateParams{true, true, 12, 15}},
	} {
		if p, _, ok := tt.c.accept([]string{tt.offer}); !ok || p != tt.want {
			t.Errorf("%+v: %q gives %+v, %t; want %+v", tt.c, tt.offer, p, ok, tt.want)
		}
	}
}

// deflateValues are the values of window bits of defects of the past, and the
// number each means, or 0.
var deflateValues = map[string]int{
	"=0": 0, "=7": 0, "=8": 8, "=9": 9, "=10": 10, "=14": 14, "=15": 15, "=16": 0, "=99": 0, "=-8": 0, "=+9": 0, "=09": 0,
	"=010": 0, "=1": 0, "=1e1": 0, "=0xa": 0, "=10.0": 0, "=18446744073709551626": 0, "=ten": 0, "=": 0, `=""`: 0, `="`: 0,
	`="10"`: 10, `="09"`: 0, `=" 10"`: 0, `="10 "`: 0, `="16"`: 0, `="\10"`: 10, `="1\0"`: 10, `="\1\0"`: 10, `="1\\0"`: 0,
	`="10\"`: 0, `="10\""`: 0, `="\\"`: 0, "='10'": 0, "==10": 0, " = 10": 10, "=\t10 ": 10, "=1 0": 0, "=1\xb2": 0, "=\u0661\u0660": 0,
}

func TestDeflateWindowBits(t *testing.T) {
	c := &Compression{WindowBits: 15}
	for value, want := range deflateValues {
		for _, name := range []string{deflateSMB, deflateCMB} {
			header := []string{"permessage-deflate" + name + value}
			wanted := deflateParams{serverBits: 15, clientBits: 15}
			if name == deflateSMB {
				wanted.serverBits = want
			} else {
				wanted.clientBits = want
			}
			if want == 0 {
				wanted = deflateParams{}
			}
			p, response, ok := c.accept(header)
			if ok != (want > 0) || p != wanted || !ok && response != "" {
				t.Errorf("offer %q: %+v, response %q, accepted %t; want %+v", header, p, response, ok, wanted)
			}
			p, ok, err := c.check(header)
			if ok != (want > 0) || p != wanted || (err == nil) != ok {
				t.Errorf("response %q: %+v, accepted %t, error %v; want %+v", header, p, ok, err, wanted)
			}
		}
	}
}

// deflateWrong is wrong in an offer and in a response.
var deflateWrong = map[string]string{
	"unknown":                          "; foo",
	"unknown with value":               "; server_max_window_bit=10",
	"case":                             "; Server_no_context_takeover",
	"server_no_context_takeover twice": deflateSNT + deflateSNT,
	"client_no_context_takeover twice": deflateCNT + deflateSNT + deflateCNT,
	"server_max_window_bits twice":     deflateSMB + "=10" + deflateSMB + "=10",
	"client_max_window_bits twice":     deflateCMB + "=10" + deflateCMB + "=10",
	"value of server takeover":         deflateSNT + "=true",
	"value of client takeover":         deflateCNT + "=1",
	"quoted value of takeover":         deflateCNT + `=""`,
	"server_max_window_bits, no value": deflateSMB,
	"quoted comma":                     "; x=\", permessage-deflate\"",
	"good after the flaw":              "; foo" + deflateSNT,
}

// deflateMalformed has no elements to speak of.
var deflateMalformed = map[string]string{
	"semicolon":            "permessage-deflate;",
	"semicolons":           "permessage-deflate;; server_no_context_takeover",
	"no name":              "; server_no_context_takeover",
	"value for a name":     "permessage-deflate=1",
	"no comma":             "permessage-deflate permessage-deflate",
	"no semicolon":         "permessage-deflate; server_no_context_takeover client_no_context_takeover",
	"no parameter":         "permessage-deflate; =10",
	"no value":             "permessage-deflate; server_max_window_bits=",
	"no value, more":       "permessage-deflate; server_max_window_bits=; client_no_context_takeover",
	"quoted name":          `"permessage-deflate"`,
	"quoted parameter":     `permessage-deflate; "server_no_context_takeover"`,
	"quote not ended":      `permessage-deflate; server_max_window_bits="10`,
	"quote ends escaped":   `permessage-deflate; server_max_window_bits="10\`,
	"text after the quote": `permessage-deflate; server_max_window_bits="10"1`,
	"bytes beyond ASCII":   "permessage-deflate\xff",
	"slash":                "permessage/deflate",
	"other, malformed":     "permessage-deflate, x;",
	"control":              "permessage-deflate\x00",
	"no-break space":       "permessage-deflate;\xa0server_no_context_takeover",
}

// RFC 7692 section 7: "A server MUST decline an extension negotiation offer"
// that is not correct, and takes another if there is one.
func TestDeflateDeclines(t *testing.T) {
	declined := func(name string, lines ...string) {
		t.Helper()
		if p, response, ok := new(Compression).accept(lines); ok || response != "" || p != (deflateParams{}) {
			t.Errorf("%s: %q is answered %q, %+v; want it declined", name, lines, response, p)
		}
	}
	const want = "permessage-deflate; server_max_window_bits=9; client_max_window_bits=12"
	for name, params := range deflateWrong {
		offer := "permessage-deflate" + params
		declined(name, offer)
		fallback := "permessage-deflate; server_max_window_bits=9; client_max_window_bits"
		for _, lines := range [][]string{{offer + ", " + fallback}, {offer, fallback}, {"", offer + " ,", ", ,\t", fallback + " , " + offer}} {
			if p, response, ok := new(Compression).accept(lines); !ok || response != want {
				t.Errorf("%s: %q is answered %q, %+v; want %q", name, lines, response, p, want)
			}
		}
	}
	for name, header := range deflateMalformed {
		declined(name, header)
		declined(name+", after a good one", "permessage-deflate", header)
		declined(name+", before a good one", header, "permessage-deflate")
	}
	declined("no header")
	declined("empty", "")
	declined("empty elements", ", ,", "\t")
	declined("other extensions", "x-webkit-deflate-frame, deflate-frame, deflate-stream, permessage-bzip2; client_max_window_bits, Permessage-Deflate")
	if _, response, ok := (*Compression)(nil).accept([]string{"permessage-deflate"}); ok || response != "" {
		t.Errorf("no Compression: answered %q", response)
	}
}

func TestDeflateFirstOfferWins(t *testing.T) {
	for want, lines := range map[string][]string{
		"permessage-deflate; server_max_window_bits=10":                            {"permessage-deflate; server_max_window_bits=10, permessage-deflate"},
		"permessage-deflate":                                                       {"permessage-deflate, permessage-deflate; server_max_window_bits=10"},
		"permessage-deflate; server_max_window_bits=11":                            {"x", "deflate-stream,permessage-deflate;server_max_window_bits=11", "permessage-deflate"},
		"permessage-deflate; client_max_window_bits=9":                             {`foo; x="a, permessage-deflate; y=\""; z,permessage-deflate ; client_max_window_bits = "9" ,`},
		"permessage-deflate; server_no_context_takeover":                           {"permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_no_context_takeover"},
		"permessage-deflate; client_no_context_takeover":                           {"permessage-deflate; bar=1, \t ,permessage-deflate\t;\tclient_no_context_takeover"},
		"permessage-deflate; server_max_window_bits=13":                            {`permessage-deflate; server_max_window_bits="13"; client_max_window_bits`},
		"permessage-deflate; client_no_context_takeover; server_max_window_bits=8": {"permessage-deflate;server_max_window_bits=8;client_no_context_takeover;client_max_window_bits=15"},
	} {
		if _, response, ok := (&Compression{WindowBits: 15}).accept(lines); !ok || response != want {
			t.Errorf("%q is answered %q, %t; want %q", lines, response, ok, want)
		}
	}
}

// What servers answer, and what a client makes of it with the zero Compression
// and with NoContextTakeover. A zero deflateParams is a failed connection.
func TestDeflateCheck(t *testing.T) {
	const d = "permessage-deflate"
	var failed deflateParams
	for _, tt := range []struct {
		name, response string
		zero, alone    deflateParams
	}{
		{"plain, from those who know no windows", d, deflateParams{false, false, 15, 12}, failed},
		{"as asked", d + deflateSMB + "=12" + deflateCMB + "=12", deflateParams{false, false, 12, 12}, failed},
		{"smaller than asked", d + deflateSMB + "=8" + deflateCMB + "=8", deflateParams{false, false, 8, 8}, failed},
		{"larger than asked: the second offer", d + deflateSMB + "=14" + deflateCMB + "=15", deflateParams{false, false, 14, 12}, failed},
		{"gorilla", d + deflateSNT + deflateCNT, deflateParams{true, true, 15, 12}, deflateParams{true, true, 15, 12}},
		{"server alone", d + deflateSNT, deflateParams{true, false, 15, 12}, deflateParams{true, true, 15, 12}},
		{"client alone", d + deflateCNT, deflateParams{false, true, 15, 12}, failed},
		{"window larger than asked, without takeover", d + deflateSNT + deflateCMB + "=15", deflateParams{true, false, 15, 12}, deflateParams{true, true, 15, 12}},
		{"windows and takeover", d + deflateSMB + "=9" + deflateCNT + deflateCMB + "=10" + deflateSNT, deflateParams{true, true, 9, 10}, deflateParams{true, true, 9, 10}},
		{"spaces, quotes, empty elements", ",\t" + d + ` ;server_max_window_bits = "1\0";server_no_context_takeover, ,`, deflateParams{true, false, 10, 12}, deflateParams{true, true, 10, 12}},
		{"client_max_window_bits, no value", d + deflateCMB, failed, failed},
		{"no value, without context takeover", d + deflateSNT + deflateCMB, failed, failed},
		{"two of them", d + deflateSNT + ", " + d + deflateSNT, failed, failed},
		{"another", "x-webkit-deflate-frame", failed, failed},
		{"one more", d + deflateSNT + ", foo", failed, failed},
		{"one more before", "foo, " + d + deflateSNT, failed, failed},
		{"other case", "Permessage-Deflate" + deflateSNT, failed, failed},
		{"empty", "", failed, failed},
		{"empty elements", ", ,", failed, failed},
	} {
		for _, one := range []struct {
			name string
			c    Compression
			want deflateParams
		}{{"zero", Compression{}, tt.zero}, {"NoContextTakeover", Compression{NoContextTakeover: true}, tt.alone}} {
			p, ok, err := one.c.check([]string{tt.response})
			if p != one.want || ok != (one.want != failed) || (err == nil) != ok {
				t.Errorf("%s, %s: %q gives %+v, %t, %v; want %+v", tt.name, one.name, tt.response, p, ok, err, one.want)
			}
		}
	}
}

func TestDeflateCheckFails(t *testing.T) {
	fails := func(name string, c *Compression, reason string, lines ...string) {
		t.Helper()
		p, ok, err := c.check(lines)
		if ok || err == nil || p != (deflateParams{}) || !strings.Contains(err.Error(), reason) || !strings.HasPrefix(err.Error(), "server chose the extensions \"") {
			t.Errorf("%s: response %q gives %+v, %t, %v; want an error that says %q", name, lines, p, ok, err, reason)
		}
	}
	for name, params := range deflateWrong {
		fails(name, &Compression{}, "parameter", "permessage-deflate"+params)
	}
	for name, header := range deflateMalformed {
		fails(name, &Compression{}, "malformed", header)
		fails(name+", after a good one", &Compression{}, "malformed", "permessage-deflate", header)
	}
	fails("nil", nil, "none was offered", "permessage-deflate")
	fails("nil, empty", nil, "none was offered", "")
	fails("two lines", &Compression{}, "2 extensions, expected one", "permessage-deflate", "permessage-deflate")
	fails("no lines to speak of", &Compression{}, "0 extensions, expected one", "", " ")
	fails("takes over", &Compression{NoContextTakeover: true}, "expected server_no_context_takeover", "permessage-deflate")
	fails("unknown", &Compression{}, "unknown", "permessage-deflate; foo")
	fails("twice", &Compression{}, "twice", "permessage-deflate"+deflateCNT+deflateCNT)
	fails("value", &Compression{}, "expected none", "permessage-deflate"+deflateCNT+"=1")
	fails("number", &Compression{}, "8 to 15", "permessage-deflate"+deflateSMB+"=7")
	fails("no number", &Compression{}, "client_max_window_bits: expected a number", "permessage-deflate"+deflateCMB)
	for _, c := range []*Compression{nil, {}, {NoContextTakeover: true}} {
		if p, ok, err := c.check(nil); ok || err != nil || p != (deflateParams{}) {
			t.Errorf("%+v: no extensions give %+v, %t, %v; want no compression and no error", c, p, ok, err)
		}
	}
	if _, _, err := new(Compression).check([]string{strings.Repeat("x;y,", 16<<10)}); err == nil || len(err.Error()) > 1000 {
		t.Errorf("error of %d bytes, want what the server sent cut short", len(fmt.Sprint(err)))
	}
}

// deflateConfigs are all that differ in what they offer or answer.
func deflateConfigs(f func(c Compression)) {
	for bits := range maxWindowBits + 1 {
		for _, alone := range []bool{false, true} {
			if c := (Compression{WindowBits: bits, NoContextTakeover: alone}); c.validate() == nil {
				f(c)
			}
		}
	}
}

// deflateCheckAnswer fails the test if both sides do not agree on the same, or
// on what one of them does not want.
func deflateCheckAnswer(t *testing.T, client, server Compression, offer []string) {
	t.Helper()
	p, response, ok := server.accept(offer)
	got, agreed, err := client.check([]string{response})
	if !ok || !agreed || err != nil || got != p {
		t.Fatalf("client %+v, server %+v: %q is answered %q (%t), %+v to the server and %+v to the client, %v",
			client, server, offer, response, ok, p, got, err)
	}
	switch {
	case (client.NoContextTakeover || server.NoContextTakeover) && !(p.serverNoTakeover && p.clientNoTakeover):
		t.Errorf("client %+v, server %+v: %+v; want no context takeover", client, server, p)
	case p.serverBits > server.windowBits(), p.clientBits > client.windowBits():
		t.Errorf("client %+v, server %+v: %+v; want no more than either wants to compress with", client, server, p)
	case !p.serverNoTakeover && p.serverBits > client.peerWindowBits(), !p.clientNoTakeover && p.clientBits > server.peerWindowBits():
		t.Errorf("client %+v, server %+v: %+v; want no more than either wants to keep", client, server, p)
	}
}

func TestDeflateWithOurselves(t *testing.T) {
	deflateConfigs(func(client Compression) {
		deflateConfigs(func(server Compression) {
			deflateCheckAnswer(t, client, server, []string{client.offer()})
		})
	})
}

// Two of ours always agree, and on the same. Any other header is read without a
// panic, and what is answered to it or taken from it is possible.
func FuzzDeflateNegotiation(f *testing.F) {
	for _, headers := range []map[string]string{deflateWrong, deflateMalformed} {
		for _, header := range headers {
			f.Add(header, uint8(0), uint8(15), false, true)
			f.Add("permessage-deflate"+header, uint8(9), uint8(8), true, false)
		}
	}
	for value := range deflateValues {
		f.Add("permessage-deflate"+deflateSMB+value+deflateCMB+value, uint8(12), uint8(10), false, false)
	}
	deflateConfigs(func(c Compression) { f.Add(c.offer(), uint8(c.WindowBits), uint8(8), c.NoContextTakeover, false) })
	f.Fuzz(func(t *testing.T, header string, clientBits, serverBits uint8, clientAlone, serverAlone bool) {
		client := Compression{WindowBits: int(clientBits), NoContextTakeover: clientAlone}
		server := Compression{WindowBits: int(serverBits), NoContextTakeover: serverAlone}
		if client.validate() != nil || server.validate() != nil {
			return
		}
		deflateCheckAnswer(t, client, server, []string{client.offer()})
		lines := strings.Split(header, "\n")
		p, response, ok := server.accept(lines)
		if ok {
			if !strings.Contains(header, deflateName) || response != p.String() {
				t.Errorf("%q is answered %q, %+v", lines, response, p)
			}
			if strings.Contains(response, deflateCMB) && !strings.Contains(header, deflateCMB[2:]) {
				t.Errorf("%q is answered %q, with a window that was not offered", lines, response)
			}
			if again, same, ok := server.accept([]string{response}); !ok || again.serverBits != p.serverBits || again.serverNoTakeover != p.serverNoTakeover {
				t.Errorf("%q, which is an answer, is answered %q, %+v", response, same, again)
			}
		} else if response != "" || p != (deflateParams{}) {
			t.Errorf("%q is declined with %q, %+v", lines, response, p)
		}
		if p, ok, err := client.check(lines); ok == (p == deflateParams{}) || ok == (err != nil) {
			t.Errorf("response %q: %+v, %t, %v", lines, p, ok, err)
		} else if ok && (min(p.serverBits, p.clientBits) < minWindowBits || p.serverBits > maxWindowBits || p.clientBits > client.windowBits()) {
			t.Errorf("response %q: windows of %+v", lines, p)
		}
	})
}

// What names an element may be followed by anything that looks like one.
func TestExtensionElements(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
		ok    bool
	}{
		{"none", nil, nil, true},
		{"empty", []string{"", " \t", ",", " , ,"}, nil, true},
		{"one", []string{"a"}, []string{"a"}, true},
		{"list", []string{"a,b , c"}, []string{"a", "b", "c"}, true},
		{"lines", []string{"a", " b;x,", ",c"}, []string{"a", "b", "c"}, true},
		{"no element goes over lines", []string{"a;", "b"}, nil, false},
		{"no quoted string goes over lines", []string{`a;b="`, `"`}, nil, false},
		{"parameters", []string{`a;b;c=d;e="f";g = "h" ; i , j`}, []string{"a", "j"}, true},
		{"quoted separators", []string{`a;b=",c;d=\",e\\",f`}, []string{"a", "f"}, true},
		{"all of a token", []string{"!#$%&'*+-.^_`|~09azAZ"}, []string{"!#$%&'*+-.^_`|~09azAZ"}, true},
		{"malformed after a good one", []string{"a,b c,d"}, []string{"a"}, false},
	} {
		var got []string
		ok := eachExtension(tt.lines, func(e extension) { got = append(got, e.name) })
		if ok != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q has %q, %t; want %q, %t", tt.name, tt.lines, got, ok, tt.want, tt.ok)
		}
	}
}

// "64 KiB of spaces or quotes in Sec-WebSocket-Protocol and -Extensions: linear
// time."
func TestDeflateIsLinear(t *testing.T) {
	for _, start := range []string{"", "permessage-deflate", "permessage-deflate; server_max_window_bits=", `x; y="`} {
		for _, filler := range []string{" ", `"`, `\`, ",", ", ", ";", "=", "a", "a,", ";a", `="`, `\"`, `"",`, ";a=\"\\b\"", ", permessage-deflate", ",permessage-deflate;x", deflateSNT} {
			t.Run(fmt.Sprintf("%q %q", start, filler), func(t *testing.T) {
				handshakeCheckLinear(t, func(n int) {
					lines := []string{start + strings.Repeat(filler, n/len(filler))}
					new(Compression).accept(lines)
					new(Compression).check(lines)
				})
			})
		}
	}
}

func TestDeclinedExtensionsDoNotAllocate(t *testing.T) {
	many := strings.Repeat(`, permessage-deflate; server_max_window_bits="\1\6"`, 1000) + strings.Repeat(`, x; y="z"`, 1000)
	for name, lines := range map[string][]string{
		"none": nil, "others": {"x-webkit-deflate-frame", "deflate-stream; a=b"}, "wrong": {"permessage-deflate; foo"}, "malformed": {"permessage-deflate;"}, "many": {many},
	} {
		for _, c := range []*Compression{nil, {}} {
			if n := testing.AllocsPerRun(10, func() { c.accept(lines) }); n > 0 {
				t.Errorf("%s: %v allocations, want 0: nothing was accepted", name, n)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { new(Compression).check(nil) }); n > 0 {
		t.Errorf("no response: %v allocations, want 0", n)
	}
}
