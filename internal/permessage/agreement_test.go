package permessage_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/permessage"
)

// allOptions returns all that differ in what they offer or answer.
func allOptions() (all []permessage.Options) {
	for bits := permessage.MinWindowBits; bits <= permessage.MaxWindowBits; bits++ {
		for peer := permessage.MinWindowBits + 1; peer <= permessage.MaxWindowBits; peer++ {
			for flags := range 4 {
				all = append(all, permessage.Options{WindowBits: bits, PeerWindowBits: peer, Strict: flags&1 != 0, NoContextTakeover: flags&2 != 0})
			}
		}
	}
	return all
}

// checkAnswer fails the test if both sides cannot work together after the
// handshake, or if one of them does not get what it wants.
func checkAnswer(t *testing.T, client, server permessage.Options) {
	t.Helper()
	offer := client.Offer()
	s, response, ok := server.Accept([]string{offer})
	c, agreed, err := client.Check([]string{response})
	if !ok || !agreed || err != nil {
		t.Fatalf("client %+v, server %+v: %q is answered %q (%t), %v", client, server, offer, response, ok, err)
	}
	fail := func(want string) {
		t.Errorf("client %+v, server %+v: %q is answered %q, with which the server does %+v and the client %+v; want %s", client, server, offer, response, s, c, want)
	}
	switch {
	case c.ServerNoContextTakeover && !s.ServerNoContextTakeover, c.ServerWindowBits < s.ServerWindowBits,
		s.ClientNoContextTakeover && !c.ClientNoContextTakeover, s.ClientWindowBits < c.ClientWindowBits:
		fail("both to keep what the other refers to")
	case client.NoContextTakeover && !(c.ServerNoContextTakeover && s.ClientNoContextTakeover), server.NoContextTakeover && !s.ServerNoContextTakeover:
		fail("no context takeover")
	case s.ServerWindowBits > server.WindowBits, c.ClientWindowBits > client.WindowBits:
		fail("no more than either wants to compress with")
	case !c.ServerNoContextTakeover && c.ServerWindowBits > client.PeerWindowBits, !s.ClientNoContextTakeover && s.ClientWindowBits > server.PeerWindowBits:
		fail("no more than either wants to keep")
	}
}

func TestBothSides(t *testing.T) {
	all := allOptions()
	for _, client := range all {
		for _, server := range all {
			checkAnswer(t, client, server)
		}
	}
}

// parameter is one of a random offer. value is -1 if it has none.
type parameter struct {
	name  string
	value int
}

// randomOffer returns some of the parameters, in any order, and how they are
// written.
func randomOffer(r *rand.Rand) (params []parameter, element string) {
	element = "permessage-deflate"
	for _, i := range r.Perm(4)[:r.IntN(5)] {
		p := parameter{[]string{snt, cnt, smb, cmb}[i], -1}
		if i == 2 || i == 3 && r.IntN(2) == 0 {
			p.value = 8 + r.IntN(8)
		}
		params = append(params, p)
		element += p.name
		if p.value > 0 {
			element += []string{"=%d", ` = "%d"`}[r.IntN(2)]
			element = fmt.Sprintf(element, p.value)
		}
	}
	return params, element
}

// isAnswerTo reports whether a response has no parameter that the offer lacks,
// no larger number, and all that a server must repeat.
func isAnswerTo(response string, offer []parameter) bool {
	name, rest, _ := strings.Cut(response, ";")
	answered := map[string]int{}
	for s := range strings.SplitSeq(rest, ";") {
		if s != "" {
			param, value, _ := strings.Cut(s, "=")
			n, _ := strconv.Atoi(value)
			answered[";"+param] = n
		}
	}
	for _, p := range offer {
		n, ok := answered[p.name]
		delete(answered, p.name)
		if must := p.name == snt || p.name == smb; must && !ok || p.value > 0 && n > p.value || p.name == cmb && ok && n == 0 {
			return false
		}
	}
	return name == "permessage-deflate" && len(answered) == 0
}

// A server never answers with a parameter that the offer lacks, whatever its
// options.
func TestNothingIsAnsweredThatWasNotOffered(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	all := allOptions()
	for range 20_000 {
		var offers [][]parameter
		var elements []string
		for range 1 + r.IntN(3) {
			if r.IntN(4) == 0 {
				elements = append(elements, []string{"x-webkit-deflate-frame", "foo; a=b", "permessage-deflate; foo", `bar; x="permessage-deflate; client_max_window_bits, "`}[r.IntN(4)])
			}
			params, element := randomOffer(r)
			offers, elements = append(offers, params), append(elements, element)
		}
		lines := elements
		if r.IntN(2) == 0 {
			lines = []string{strings.Join(elements, ", ")}
		}
		o := all[r.IntN(len(all))]
		_, response, ok := o.Accept(lines)
		if ok && !slices.ContainsFunc(offers, func(offer []parameter) bool { return isAnswerTo(response, offer) }) {
			t.Errorf("%+v: %q is answered %q, which is more than was offered", o, lines, response)
		}
		if !ok && !(o.Strict && o.PeerWindowBits < 15) {
			t.Errorf("%+v: %q is declined", o, lines)
		}
	}
}

// Our client and our server always agree, and on the same. Any other header is
// read without a panic, and what is agreed on because of it is possible.
func FuzzNegotiation(f *testing.F) {
	for _, headers := range []map[string]string{wrong, malformed} {
		for _, header := range headers {
			f.Add(header, uint8(0), uint8(7))
			f.Add("permessage-deflate"+header, uint8(1), uint8(0))
		}
	}
	for value := range values {
		f.Add("permessage-deflate"+smb+value+cmb+value, uint8(4), uint8(2))
	}
	all := allOptions()
	for i, o := range all {
		f.Add(o.Offer(), uint8(i), uint8(0))
	}
	f.Fuzz(func(t *testing.T, header string, clientOptions, serverOptions uint8) {
		client, server := all[int(clientOptions)%len(all)], all[int(serverOptions)%len(all)]
		checkAnswer(t, client, server)
		lines := strings.Split(header, "\n")
		p, response, ok := server.Accept(lines)
		if ok {
			for _, name := range []string{"permessage-deflate", snt[2:], cnt[2:], smb[2:], cmb[2:]} {
				if strings.Contains(response, name) && !strings.Contains(header, name) {
					t.Errorf("%q is answered %q, with %s, which was not offered", lines, response, name)
				}
			}
			if again, _, ok := server.Accept([]string{response}); ok && (again.ServerWindowBits != p.ServerWindowBits || again.ServerNoContextTakeover != p.ServerNoContextTakeover) {
				t.Errorf("%q, which is a response, is answered %+v", response, again)
			}
		} else if p != (permessage.Params{}) || response != "" {
			t.Errorf("%q is declined with %+v, %q", lines, p, response)
		}
		if p, ok, err := client.Check(lines); ok == (p == permessage.Params{}) || ok == (err != nil) {
			t.Errorf("response %q: %+v, %t, %v", lines, p, ok, err)
		} else if ok && (min(p.ServerWindowBits, p.ClientWindowBits) < permessage.MinWindowBits || p.ServerWindowBits > permessage.MaxWindowBits || p.ClientWindowBits > client.WindowBits) {
			t.Errorf("response %q: windows of %+v", lines, p)
		}
	})
}
