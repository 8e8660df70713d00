package websocket_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// refusalTexts are requests, one for each way to be refused, and what the answer
// must name: what came, what was expected, and where that is not the same, what
// to do.
var refusalTexts = func() []refusalText {
	rfc, hybi07, hixie76, hixie75 := requestOf(websocket.RFC6455), requestOf(websocket.Hybi07), requestOf(websocket.Hybi00), requestOf(websocket.Hixie75)
	key1 := func(value ...string) httpMessage { return hixie76.with("Sec-WebSocket-Key1", value...) }
	from := func(page string) httpMessage { return rfc.with("Origin", page) }
	lines := rfc
	for range httphead.MaxLines {
		lines = lines.with("X"+strconv.Itoa(len(lines.fields)), "")
	}
	return []refusalText{
		{505, rfc.withLine("GET / HTTP/1.0"), "HTTP/1.0|HTTP/1.1|proxy_http_version 1.1"},
		{405, rfc.withLine("POST / HTTP/1.1"), `"POST"|GET`},
		{426, rfc.with("Upgrade", "h2c"), `Upgrade is "h2c"|the token websocket|proxy|rfc6455`},
		{426, rfc.with("Upgrade"), `Upgrade is ""|WebSocket client`},
		{400, rfc.with("Connection", "keep-alive"), `Connection is "keep-alive"|the token Upgrade|proxy_set_header`},
		{400, rfc.with("Host", "a b"), `Host is "a b"|host:port`},
		{400, rfc.withLine("GET * HTTP/1.1"), `target is "*"|begins with a slash`},

		{400, rfc.with("Sec-WebSocket-Version", ""), "Sec-WebSocket-Version is empty|a value|rfc6455"},
		{400, rfc.with("Sec-WebSocket-Version", "13", "8"), "2 headers Sec-WebSocket-Version|expected one|rfc6455"},
		{400, rfc.with("Sec-WebSocket-Version", "13, 8"), `"13, 8"|a number up to 255|rfc6455`},
		{426, rfc.with("Sec-WebSocket-Version", "6"), "Sec-WebSocket-Version is 6|accepted versions are rfc6455"},
		{426, hybi07, `Sec-WebSocket-Version is "7"|draft-ietf-hybi-07|accepted versions are rfc6455`},
		{400, hixie76.with("Sec-WebSocket-Draft", "2"), `Draft is "2"|not supported|rfc6455`},
		{400, rfc.with("Sec-WebSocket-Version"), "Sec-WebSocket-Key without Sec-WebSocket-Version|both|proxy"},
		{400, hixie75.with("Sec-WebSocket-Protocol", "chat"), "Sec-WebSocket-Protocol without Sec-WebSocket-Version|both|proxy"},

		{400, rfc.with("Sec-WebSocket-Key"), "Sec-WebSocket-Key is missing|expected one"},
		{400, rfc.with("Sec-WebSocket-Key", strings.Repeat("A", 68)), "68 bytes|expected 24"},
		{400, rfc.with("Sec-WebSocket-Key", "AAAA"), `"AAAA"|16 bytes in base64`},
		{400, key1(), "Sec-WebSocket-Key1 is missing|expected one"},
		{400, key1("a b"), `Key1 is "a b"|no digits|expected digits`},
		{400, key1("12"), `Key1 is "12"|no spaces`},
		{400, key1("1 2 3"), "its digits, 123, are not a multiple of its 2 spaces"},
		{400, key1("1 " + strings.Repeat("9", 30)), "too large"},
		{400, key1("42949 67296!"), "4294967296 does not fit in 32 bits"},
		{400, rfc.with("Transfer-Encoding", "chunked"), `"chunked"|expected none`},
		{400, rfc.with("Content-Length", "5"), "Content-Length is 5|expected none"},
		{400, hixie76.with("Content-Length", "7"), "Content-Length is 7|or 8"},
		{400, rfc.with("Sec-WebSocket-Extensions", "a;"), `Extensions is "a;"|parameters after semicolons|9.1`},

		{403, hixie76.with("Origin"), "Origin is missing|a page|draft-ietf-hybi-00 requires"},
		{403, hixie75.with("Origin", ""), "missing or empty|draft-hixie-75 requires|a later version|rfc6455"},
		{403, rfc.with("Origin", "http://a", "http://b"), "2 headers Origin|expected one"},
		{403, rfc.with("Origin").with("Sec-WebSocket-Origin", "http://a"), "Sec-WebSocket-Origin without Origin|expected Origin"},
		{403, rfc.with("Sec-WebSocket-Origin", "http://a"), `"http://lab.example:8080"|"http://a"|the same in both`},
		{403, from("http://evil.example"), `"http://evil.example"|"lab.example:8080"|the same host|does it pass Host?|Upgrader.Origins`},
		{403, from("http://lab.example"), "expected port 8080 in Origin, got 80|does it pass Host"},
		{403, from("null"), "got null"},
		{403, from("http://ü"), "visible ASCII"},
		{403, from("lab.example:8080"), "begin with http://"},
		{403, from("http://lab.example:"), "a port after the colon"},
		{403, from("http://u@lab.example:8080"), "no user information|not shown"},
		{403, from("http://lab.example:8080?q"), "no query"},
		{403, from("http://lab.example:8080#f"), "no fragment"},
		{403, from("http://a http://b"), "a single origin, got several"},
		{403, from("http://lab.example:8080/"), "no path"},
		{403, from("http://"), "in Origin, expected a host"},
		{403, from("http://[::1"), "in brackets"},
		{403, from("http://" + strings.Repeat("a", 64)), "at most 63 between dots"},
		{403, from("http://a..b"), "single dots"},
		{403, from("http://a:0"), "1 to 65535"},
		{403, rfc.with("Host", "a..b"), "in Host, expected"},

		{400, rfc.with("X", "a\nb"), "ends with LF|expected CR LF"},
		{400, rfc.with("X", "a\rb"), "CR not followed by LF|expected CR LF"},
		{400, rfc.with("X", "a\r\n b"), "folded|on one line"},
		{400, rfc.with("X", "a\x00"), "control character 0x00|expected none"},
		{400, rfc.with("X ", "a"), `"X " is not the name|a token`},
		{426, rfc.with("Sec-WebSocket-Version", strings.Repeat("0", 1000)+"9"), "Sec-WebSocket-Version is 0000|rfc6455"},
		{400, rfc.withLine("hello"), "not an HTTP request|hello|HTTP/1.1"},
		{400, rfc.withLine("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "speaks TLS|HTTP/1.1|use ws"},
		{400, rfc.withLine("PROXY TCP4 192.0.2.1 192.0.2.2 1 2"), "PROXY TCP4|PROXY protocol"},
		{400, rfc.withLine("\r\n\r\n\x00\r\nQUIT\n"), "HTTP/1.1|PROXY protocol"},
		{431, lines, "256 lines|fewer headers"},
		{431, rfc.with("Cookie", strings.Repeat("x", 16<<10)), "16384 bytes|cookies|Upgrader.MaxHeaderBytes"},
	}
}()

type refusalText struct {
	status  int
	request httpMessage
	words   string // separated by bars
}

// "Every refusal says what was expected, what came, and what to do."
func TestRefusalTexts(t *testing.T) {
	for _, tt := range refusalTexts {
		body, err := refusalOf(tt.request)
		if statusOf(err) != tt.status {
			t.Errorf("%q: %v, want status %d", tt.request.head(), err, tt.status)
		}
		if !strings.Contains(body, "expected") && !strings.Contains(body, "accepted versions are") {
			t.Errorf("%q, want it to say what was expected", body)
		}
		for words := range strings.SplitSeq(tt.words, "|") {
			if !strings.Contains(body, words) {
				t.Errorf("%q, want it to name %s", body, words)
			}
		}
		if len(body) > 600 {
			t.Errorf("%.100q… has %d bytes, want what the client sent cut short", body, len(body))
		}
	}
}

// refusalOf returns the body of the answer to a request, and the error.
func refusalOf(request httpMessage) (body string, err error) {
	_, response, _, err := serve(&websocket.Upgrader{Versions: []websocket.Version{websocket.RFC6455, websocket.Hybi10, websocket.Hybi00, websocket.Hixie75}}, request.String())
	_, body, _ = strings.Cut(response, "\r\n\r\n")
	return body, err
}

// The two refusals that no request alone causes: after Close, and over a page
// without TLS.
func TestRefusalTextsOfServer(t *testing.T) {
	r := requestFrom(t, requestOf(websocket.RFC6455))
	s := &websocket.Server{Handler: echoHandler}
	s.Close()
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Code != 503 || !strings.Contains(w.Body.String(), "the server is closing: try again later") {
		t.Errorf("after Close: %d, %q; want 503 that says to try again", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	up := &websocket.Upgrader{Secure: func(*http.Request) bool { return true }}
	if _, err := up.Upgrade(w, r); statusOf(err) != 403 || !strings.Contains(w.Body.String(), "expected an https origin, because the request came over TLS") {
		t.Errorf("http page over TLS: %v, %q; want 403 that says to use https", err, w.Body)
	}
}

// refusing are the functions with texts of refusals, by file.
var refusing = map[string][]string{
	"handshake_request.go":        {}, // all but Validate, which tells the program
	"handshake_server.go":         {"readHead", "begin", "readKeys"},
	"handshake.go":                {"acceptOf", "single", "refuseHead"},
	"handshake_hixie.go":          {"readChallenge", "keyNumber", "checkHixie75"},
	"internal/httphead/head.go":   {"check", "checkLineEnds", "Feed"},
	"internal/httphead/parse.go":  {"CheckNames"},
	"internal/origin/origin.go":   {"Same", "compareOrigin", "parseOrigin", "newOrigin", "checkNoExtras"},
	"internal/origin/hostport.go": {"ParseHostHeader", "SplitHostPort", "CheckName", "parsePort"},
}

// unreachableTexts are those that no request causes alone.
var unreachableTexts = []string{
	"request target is %s: expected no control characters",        // net/http refuses such a target before
	"%s is %s: expected an origin without control characters",     // and such a header
	"expected an https origin, because the request came over TLS", // TestRefusalTextsOfServer
}

// No text is left out of refusalTexts.
func TestRefusalTextsAreComplete(t *testing.T) {
	var answers strings.Builder
	for _, tt := range refusalTexts {
		body, _ := refusalOf(tt.request)
		answers.WriteString(body)
	}
	verb := regexp.MustCompile(`%[.0-9#]*[a-z]`)
	for file, functions := range refusing {
		for _, text := range textsIn(t, file, functions) {
			constant := verb.ReplaceAllString(regexp.QuoteMeta(verb.ReplaceAllString(text, "%s")), ".*")
			if !slices.Contains(unreachableTexts, text) && !regexp.MustCompile(constant).MatchString(answers.String()) {
				t.Errorf("%s: no request in refusalTexts is refused with %q", file, text)
			}
		}
	}
}

// textsIn returns the strings in the functions that have at least three words.
func textsIn(t *testing.T, file string, functions []string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	seen := 0
	for _, decl := range parsed.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || len(functions) > 0 && !slices.Contains(functions, f.Name.Name) || f.Name.Name == "Validate" {
			continue
		}
		seen++
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.Count(lit.Value, " ") >= 2 {
				text, _ := strconv.Unquote(lit.Value)
				texts = append(texts, text)
			}
			return true
		})
	}
	if seen < len(functions) {
		t.Errorf("%s has %d of the functions %q: mend the list", file, seen, functions)
	}
	return texts
}
