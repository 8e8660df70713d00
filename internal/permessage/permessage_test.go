package permessage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/permessage"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

// Abbreviations for the tables.
const (
	snt = "; server_no_context_takeover"
	cnt = "; client_no_context_takeover"
	smb = "; server_max_window_bits"
	cmb = "; client_max_window_bits"
)

// Options that the tests use often.
var (
	zero  = permessage.Options{WindowBits: 12, PeerWindowBits: 12}
	alone = permessage.Options{WindowBits: 12, PeerWindowBits: 12, NoContextTakeover: true}
	large = permessage.Options{WindowBits: 15, PeerWindowBits: 15}
	bound = permessage.Options{WindowBits: 12, PeerWindowBits: 12, Strict: true}
	small = permessage.Options{WindowBits: 8, PeerWindowBits: 9} // zlib cannot compress with 8
)

func TestOffer(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    *permessage.Options
		want string
	}{
		{"nil", nil, ""},
		{"12 bits", &zero, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12, permessage-deflate; client_max_window_bits"},
		{"14 bits", &permessage.Options{WindowBits: 14, PeerWindowBits: 14}, "permessage-deflate; server_max_window_bits=14; client_max_window_bits=14, permessage-deflate; client_max_window_bits"},
		{"8 bits", &small, "permessage-deflate; server_max_window_bits=9; client_max_window_bits=8, permessage-deflate; client_max_window_bits"},
		{"15 bits, as Chrome", &large, "permessage-deflate; client_max_window_bits"},
		{"no context takeover", &alone,
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=12, " +
				"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		{"no context takeover, 15 bits", &permessage.Options{WindowBits: 15, PeerWindowBits: 15, NoContextTakeover: true},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		{"no context takeover, a large window of its own", &permessage.Options{WindowBits: 15, PeerWindowBits: 12, NoContextTakeover: true},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		{"asks for nothing, as Chrome", &permessage.Options{WindowBits: 12, PeerWindowBits: 15, Strict: true}, "permessage-deflate; client_max_window_bits"},
		{"a large window of its own", &permessage.Options{WindowBits: 15, PeerWindowBits: 12}, "permessage-deflate; server_max_window_bits=12; client_max_window_bits, permessage-deflate; client_max_window_bits"},
		{"strict", &bound, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12, permessage-deflate; server_no_context_takeover; client_max_window_bits"},
		{"strict, no context takeover", &permessage.Options{WindowBits: 12, PeerWindowBits: 12, Strict: true, NoContextTakeover: true}, alone.Offer()},
	} {
		if got := tt.o.Offer(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// What clients offer, and how a server answers: with windows of 12 bits, which
// without context takeover is the same answer; with windows of 15 bits; and if
// it keeps no more than 12 bits. "" means no compression.
func TestAccept(t *testing.T) {
	const d = "permessage-deflate"
	for _, tt := range []struct {
		name, offer             string
		small, unlimited, bound string
	}{
		{"Firefox, Safari", d, d, d, ""},
		{"Chrome, Node.js", d + cmb, d + cmb + "=12", d, d + cmb + "=12"},
		{"gorilla, coder", d + snt + cnt, d + snt + cnt, d + snt + cnt, d + snt + cnt},
		{"ourselves", zero.Offer(), d + smb + "=12" + cmb + "=12", d + smb + "=12" + cmb + "=12", d + smb + "=12" + cmb + "=12"},

		{"server_no_context_takeover", d + snt, d + snt, d + snt, ""},
		{"server_no_context_takeover, Chrome's window", d + snt + cmb, d + snt + cmb + "=12", d + snt, d + snt + cmb + "=12"},
		{"client_no_context_takeover", d + cnt, d + cnt, d + cnt, d + cnt},
		{"client_no_context_takeover, any window", d + cnt + cmb, d + cnt, d + cnt, d + cnt},
		{"client_no_context_takeover, small window", d + cnt + cmb + "=10", d + cnt + cmb + "=10", d + cnt + cmb + "=10", d + cnt + cmb + "=10"},

		{"server's window 8", d + cmb + smb + "=8", d + smb + "=8" + cmb + "=12", d + smb + "=8", d + smb + "=8" + cmb + "=12"},
		{"server's window 13", d + cmb + smb + "=13", d + smb + "=12" + cmb + "=12", d + smb + "=13", d + smb + "=12" + cmb + "=12"},
		{"server's window 15", d + cmb + smb + "=15", d + smb + "=12" + cmb + "=12", d + smb + "=15", d + smb + "=12" + cmb + "=12"},
		{"server's window alone", d + smb + "=10", d + smb + "=10", d + smb + "=10", ""},
		{"client's window 8", d + cmb + "=8", d + cmb + "=8", d + cmb + "=8", d + cmb + "=8"},
		{"client's window 13", d + cmb + "=13", d + cmb + "=12", d + cmb + "=13", d + cmb + "=12"},
		{"client's window 15", d + cmb + "=15", d + cmb + "=12", d, d + cmb + "=12"},
		{"all of them", d + cmb + "=11" + cnt + smb + "=10" + snt, d + snt + cnt + smb + "=10" + cmb + "=11",
			d + snt + cnt + smb + "=10" + cmb + "=11", d + snt + cnt + smb + "=10" + cmb + "=11"},
		{"a second offer that can be bounded", d + ", " + d + smb + "=9, " + d + cmb, d, d, d + cmb + "=12"},
	} {
		for _, one := range []struct {
			name string
			o    permessage.Options
			want string
		}{
			{"12 bits", zero, tt.small},
			{"no context takeover", alone, tt.small},
			{"15 bits", large, tt.unlimited},
			{"no more than 12 bits", bound, tt.bound},
		} {
			p, got, ok := one.o.Accept([]string{tt.offer})
			if ok != (one.want != "") || got != one.want {
				t.Errorf("%s, %s: %q is answered %q (%t, %+v), want %q", tt.name, one.name, tt.offer, got, ok, p, one.want)
			}
			if one.o.NoContextTakeover && !p.ServerNoContextTakeover {
				t.Errorf("%s, %s: %+v; want a server that forgets its window", tt.name, one.name, p)
			}
		}
	}
}

// What both sides do may be less than what the response says.
func TestAcceptParams(t *testing.T) {
	for _, tt := range []struct {
		o     permessage.Options
		offer string
		want  permessage.Params
	}{
		{zero, "permessage-deflate", permessage.Params{false, false, 12, 15}},
		{zero, "permessage-deflate; client_max_window_bits", permessage.Params{false, false, 12, 12}},
		{small, "permessage-deflate; client_max_window_bits", permessage.Params{false, false, 8, 9}},
		{small, "permessage-deflate; client_max_window_bits=8", permessage.Params{false, false, 8, 8}},
		{large, "permessage-deflate", permessage.Params{false, false, 15, 15}},
		{large, "permessage-deflate; server_max_window_bits=9", permessage.Params{false, false, 9, 15}},
		{alone, "permessage-deflate", permessage.Params{true, false, 12, 15}},
		{alone, "permessage-deflate; client_max_window_bits", permessage.Params{true, false, 12, 12}},
		{alone, "permessage-deflate; client_no_context_takeover", permessage.Params{true, true, 12, 15}},
		{bound, "permessage-deflate; client_no_context_takeover", permessage.Params{false, true, 12, 15}},
	} {
		if p, _, ok := tt.o.Accept([]string{tt.offer}); !ok || p != tt.want {
			t.Errorf("%+v: %q gives %+v, %t; want %+v", tt.o, tt.offer, p, ok, tt.want)
		}
	}
}

// values are values of window bits that implementations have got wrong, and the
// number that each means, or 0.
var values = map[string]int{
	"=0": 0, "=7": 0, "=8": 8, "=9": 9, "=10": 10, "=14": 14, "=15": 15, "=16": 0, "=99": 0, "=-8": 0, "=+9": 0, "=09": 0,
	"=010": 0, "=1": 0, "=1e1": 0, "=0xa": 0, "=10.0": 0, "=18446744073709551626": 0, "=ten": 0, "=": 0, `=""`: 0, `="`: 0,
	`="10"`: 10, `="09"`: 0, `=" 10"`: 0, `="10 "`: 0, `="16"`: 0, `="\10"`: 10, `="1\0"`: 10, `="\1\0"`: 10, `="1\\0"`: 0,
	`="10\"`: 0, `="10\""`: 0, `="\\"`: 0, "='10'": 0, "==10": 0, " = 10": 10, "=\t10 ": 10, "=1 0": 0, "=1\xb2": 0, "=\u0661\u0660": 0,
}

func TestWindowBits(t *testing.T) {
	for value, want := range values {
		for _, name := range []string{smb, cmb} {
			header := []string{"permessage-deflate" + name + value}
			wanted := permessage.Params{ServerWindowBits: 15, ClientWindowBits: 15}
			if name == smb {
				wanted.ServerWindowBits = want
			} else {
				wanted.ClientWindowBits = want
			}
			if want == 0 {
				wanted = permessage.Params{}
			}
			p, _, ok := large.Accept(header)
			if ok != (want > 0) || p != wanted {
				t.Errorf("offer %q: %+v, accepted %t; want %+v", header, p, ok, wanted)
			}
			p, ok, err := large.Check(header)
			if ok != (want > 0) || p != wanted || (err == nil) != ok {
				t.Errorf("response %q: %+v, accepted %t, error %v; want %+v", header, p, ok, err, wanted)
			}
		}
	}
}

// wrong has parameters that are invalid in an offer and in a response.
var wrong = map[string]string{
	"unknown":                          "; foo",
	"unknown with value":               "; server_max_window_bit=10",
	"case":                             "; Server_no_context_takeover",
	"server_no_context_takeover twice": snt + snt,
	"client_no_context_takeover twice": cnt + snt + cnt,
	"server_max_window_bits twice":     smb + "=10" + smb + "=10",
	"client_max_window_bits twice":     cmb + "=10" + cmb + "=10",
	"value of server takeover":         snt + "=true",
	"value of client takeover":         cnt + "=1",
	"quoted value of takeover":         cnt + `=""`,
	"server_max_window_bits, no value": smb,
	"quoted comma":                     "; x=\", permessage-deflate\"",
	"good after the flaw":              "; foo" + snt,
}

// malformed has headers that are not a list of elements.
var malformed = map[string]string{
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

// A server declines an offer that is not valid, RFC 7692 section 7, and accepts
// another one if there is one.
func TestAcceptDeclines(t *testing.T) {
	declined := func(name string, lines ...string) {
		t.Helper()
		if p, response, ok := zero.Accept(lines); ok || p != (permessage.Params{}) || response != "" {
			t.Errorf("%s: %q is answered %q, %t; want it declined", name, lines, response, ok)
		}
	}
	const want = "permessage-deflate; server_max_window_bits=9; client_max_window_bits=12"
	for name, params := range wrong {
		offer := "permessage-deflate" + params
		declined(name, offer)
		fallback := "permessage-deflate; server_max_window_bits=9; client_max_window_bits"
		for _, lines := range [][]string{{offer + ", " + fallback}, {offer, fallback}, {"", offer + " ,", ", ,\t", fallback + " , " + offer}} {
			if _, response, ok := zero.Accept(lines); !ok || response != want {
				t.Errorf("%s: %q is answered %q, %t; want %q", name, lines, response, ok, want)
			}
		}
	}
	for name, header := range malformed {
		declined(name, header)
		declined(name+", after a good one", "permessage-deflate", header)
		declined(name+", before a good one", header, "permessage-deflate")
	}
	declined("no header")
	declined("empty", "")
	declined("empty elements", ", ,", "\t")
	declined("other extensions", "x-webkit-deflate-frame, deflate-frame, deflate-stream, permessage-bzip2; client_max_window_bits, Permessage-Deflate")
	if p, response, ok := (*permessage.Options)(nil).Accept([]string{"permessage-deflate"}); ok || p != (permessage.Params{}) || response != "" {
		t.Errorf("nil Options: answered %q", response)
	}
}

func TestAcceptFirstOffer(t *testing.T) {
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
		if _, response, ok := large.Accept(lines); !ok || response != want {
			t.Errorf("%q is answered %q, %t; want %q", lines, response, ok, want)
		}
	}
}

// What servers answer, and what a client then does: with windows of 12 bits,
// without context takeover, and if it keeps no more than 12 bits. Zero Params
// mean that the connection fails.
func TestCheck(t *testing.T) {
	const d = "permessage-deflate"
	var failed permessage.Params
	for _, tt := range []struct {
		name, response string
		zero, alone    permessage.Params
		bounded        bool // the strict client does as the one with 12 bits; otherwise it fails
	}{
		{"plain, from those who know no windows", d, permessage.Params{false, false, 15, 12}, failed, false},
		{"as asked", d + smb + "=12" + cmb + "=12", permessage.Params{false, false, 12, 12}, failed, true},
		{"smaller than asked", d + smb + "=8" + cmb + "=8", permessage.Params{false, false, 8, 8}, failed, true},
		{"larger than asked: the second offer", d + smb + "=14" + cmb + "=15", permessage.Params{false, false, 14, 12}, failed, false},
		{"gorilla", d + snt + cnt, permessage.Params{true, true, 15, 12}, permessage.Params{true, true, 15, 12}, true},
		{"server alone", d + snt, permessage.Params{true, false, 15, 12}, permessage.Params{true, true, 15, 12}, true},
		{"client alone", d + cnt, permessage.Params{false, true, 15, 12}, failed, false},
		{"window larger than asked, without takeover", d + snt + cmb + "=15", permessage.Params{true, false, 15, 12}, permessage.Params{true, true, 15, 12}, true},
		{"windows and takeover", d + smb + "=9" + cnt + cmb + "=10" + snt, permessage.Params{true, true, 9, 10}, permessage.Params{true, true, 9, 10}, true},
		{"spaces, quotes, empty elements", ",\t" + d + ` ;server_max_window_bits = "1\0";server_no_context_takeover, ,`, permessage.Params{true, false, 10, 12}, permessage.Params{true, true, 10, 12}, true},
		{"client_max_window_bits, no value", d + cmb, failed, failed, false},
		{"no value, without context takeover", d + snt + cmb, failed, failed, false},
		{"two of them", d + snt + ", " + d + snt, failed, failed, false},
		{"another", "x-webkit-deflate-frame", failed, failed, false},
		{"one more", d + snt + ", foo", failed, failed, false},
		{"one more before", "foo, " + d + snt, failed, failed, false},
		{"other case", "Permessage-Deflate" + snt, failed, failed, false},
		{"empty", "", failed, failed, false},
		{"empty elements", ", ,", failed, failed, false},
	} {
		strict := failed
		if tt.bounded {
			strict = tt.zero
		}
		for _, one := range []struct {
			name string
			o    permessage.Options
			want permessage.Params
		}{{"12 bits", zero, tt.zero}, {"no context takeover", alone, tt.alone}, {"no more than 12 bits", bound, strict}} {
			p, ok, err := one.o.Check([]string{tt.response})
			if p != one.want || ok != (one.want != failed) || (err == nil) != ok {
				t.Errorf("%s, %s: %q gives %+v, %t, %v; want %+v", tt.name, one.name, tt.response, p, ok, err, one.want)
			}
		}
	}
}

func TestCheckFails(t *testing.T) {
	fails := func(name string, o *permessage.Options, reason string, lines ...string) {
		t.Helper()
		p, ok, err := o.Check(lines)
		if ok || err == nil || p != (permessage.Params{}) || !strings.Contains(err.Error(), reason) || !strings.HasPrefix(err.Error(), "server chose the extensions \"") {
			t.Errorf("%s: response %q gives %+v, %t, %v; want an error that says %q", name, lines, p, ok, err, reason)
		}
	}
	for name, params := range wrong {
		fails(name, &zero, "parameter", "permessage-deflate"+params)
	}
	for name, header := range malformed {
		fails(name, &zero, "malformed", header)
		fails(name+", after a good one", &zero, "malformed", "permessage-deflate", header)
	}
	fails("nil", nil, "none was offered; the server is at fault", "permessage-deflate")
	fails("nil, empty", nil, "none was offered", "")
	fails("two lines", &zero, "2 extensions, expected one", "permessage-deflate", "permessage-deflate")
	fails("no lines to speak of", &zero, "0 extensions, expected one", "", " ")
	fails("takes over", &alone, "expected server_no_context_takeover", "permessage-deflate")
	fails("no window", &bound, "expected server_max_window_bits of at most 12, or server_no_context_takeover; any window is accepted if PeerWindowBits is 0", "permessage-deflate")
	fails("large window", &bound, "expected server_max_window_bits of at most 12", "permessage-deflate"+smb+"=13")
	fails("unknown", &zero, "unknown; the server is at fault, and a client without Compression", "permessage-deflate; foo")
	fails("twice", &zero, "twice", "permessage-deflate"+cnt+cnt)
	fails("value", &zero, "expected none", "permessage-deflate"+cnt+"=1")
	fails("number", &zero, "8 to 15", "permessage-deflate"+smb+"=7")
	fails("no number", &zero, "client_max_window_bits: expected a number", "permessage-deflate"+cmb)
	for _, o := range []*permessage.Options{nil, &zero, &alone} {
		if p, ok, err := o.Check(nil); ok || err != nil || p != (permessage.Params{}) {
			t.Errorf("%+v: no extensions give %+v, %t, %v; want no compression and no error", o, p, ok, err)
		}
	}
	if _, _, err := zero.Check([]string{strings.Repeat("x;y,", 16<<10)}); err == nil || len(err.Error()) > 1000 {
		t.Errorf("error of %d bytes, want what the server sent cut short", len(fmt.Sprint(err)))
	}
}

// Separators within quoted strings do not end an element.
func TestElements(t *testing.T) {
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
		if got, ok := permessage.Elements(tt.lines); ok != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q has %q, %t; want %q, %t", tt.name, tt.lines, got, ok, tt.want, tt.ok)
		}
	}
}

// Headers of 64 KiB of spaces, quotes and the like take linear time.
func TestTimeIsLinear(t *testing.T) {
	for _, start := range []string{"", "permessage-deflate", "permessage-deflate; server_max_window_bits=", `x; y="`} {
		for _, filler := range []string{" ", `"`, `\`, ",", ", ", ";", "=", "a", "a,", ";a", `="`, `\"`, `"",`, ";a=\"\\b\"", ", permessage-deflate", ",permessage-deflate;x", snt} {
			t.Run(fmt.Sprintf("%q %q", start, filler), func(t *testing.T) {
				testkit.CheckLinear(t, func(n int) {
					lines := []string{start + strings.Repeat(filler, n/len(filler))}
					zero.Accept(lines)
					zero.Check(lines)
				})
			})
		}
	}
}

func TestDeclinedOffersDoNotAllocate(t *testing.T) {
	many := strings.Repeat(`, permessage-deflate; server_max_window_bits="\1\6"`, 1000) + strings.Repeat(`, x; y="z"`, 1000)
	for name, lines := range map[string][]string{
		"none": nil, "others": {"x-webkit-deflate-frame", "deflate-stream; a=b"}, "wrong": {"permessage-deflate; foo"}, "malformed": {"permessage-deflate;"}, "many": {many},
	} {
		for _, o := range []*permessage.Options{nil, &zero} {
			if n := testing.AllocsPerRun(10, func() { o.Accept(lines) }); n > 0 {
				t.Errorf("%s: %v allocations, want 0: nothing was accepted", name, n)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { zero.Check(nil) }); n > 0 {
		t.Errorf("no response: %v allocations, want 0", n)
	}
}
