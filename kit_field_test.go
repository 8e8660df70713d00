package websocket_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// fieldCase is a file of testdata/field: what a client or a server of the field
// sends, and what our other side must make of it. The README there describes the
// format.
type fieldCase struct {
	name  string // of the file
	title string
	kind  string

	side     websocket.Side // ours
	upgrader websocket.Upgrader
	dialer   websocket.Dialer
	url      string
	stream   websocket.MessageType // read through a Stream, if not 0
	writer   string                // a key of fieldWriters, or ""
	heldBack string                // the section that is sent after our answer, or ""
	lineEnd  string

	head         string // with LF, placeholders and escapes
	body, frames []byte

	verdict  string
	words    []string
	request  fieldAnswer // what our client must send; it has no status
	answer   fieldAnswer
	behind   *fieldAnswer // the answer behind net/http, if it is another
	messages []string     // as describe writes them
	fails    websocket.StatusCode

	given string // what the case is made of, without what is only for readers
}

// fieldAnswer is what a case expects of an answer. On a client there is only the
// status of the HandshakeError and the subprotocol.
type fieldAnswer struct {
	status      int
	fields      [][2]string
	absent      []string
	words       []string
	subprotocol string
}

// noStatus is the status of an answer for which a case expects none.
const noStatus = -1

// The verdicts of a case.
const (
	verdictServed = "served"
	verdictHelped = "refused-helpful" // by a text that says what to change
	verdictMust   = "refused-must"    // because the protocol demands it
)

// fieldKinds are where the cases come from.
var fieldKinds = []string{
	"app", "broker", "browser", "charger", "cluster", "device", "exchange", "framework", "library", "proxy", "server", "tracker",
}

// fieldKeys are the keys of a case. Each reads its value into the case.
var fieldKeys = map[string]func(c *fieldCase, value string) error{
	"title": func(c *fieldCase, v string) error { c.title = v; return nil },
	"note":  func(*fieldCase, string) error { return nil },
	"kind": func(c *fieldCase, v string) error {
		c.kind = v
		return oneOf(v, fieldKinds...)
	},
	"side": func(c *fieldCase, v string) error {
		if v == sideName(websocket.ClientSide) {
			c.side = websocket.ClientSide
		}
		return oneOf(v, sideName(websocket.ServerSide), sideName(websocket.ClientSide))
	},
	"verdict": func(c *fieldCase, v string) error {
		c.verdict = v
		return oneOf(v, verdictServed, verdictHelped, verdictMust)
	},
	"words":     func(c *fieldCase, v string) error { c.words = append(c.words, v); return nil },
	"line-ends": func(c *fieldCase, v string) error { c.lineEnd = v; return oneOf(v, "lf", "mixed") },
	"held-back": func(c *fieldCase, v string) error { c.heldBack = v; return oneOf(v, "body", "frames") },

	// Options, by the names that they have in Go.
	"Subprotocols": func(c *fieldCase, v string) error {
		c.upgrader.Subprotocols = strings.Split(v, " ")
		c.dialer.Subprotocols = c.upgrader.Subprotocols
		return nil
	},
	"Origins":     func(c *fieldCase, v string) error { c.upgrader.Origins = strings.Split(v, " "); return nil },
	"Versions":    func(c *fieldCase, v string) error { return c.readVersions(v) },
	"Version":     func(c *fieldCase, v string) error { return c.dialer.Version.UnmarshalText([]byte(v)) },
	"Compression": func(c *fieldCase, v string) error { return c.readCompression(v) },
	"MaxMessageSize": func(c *fieldCase, v string) (err error) {
		c.upgrader.MaxMessageSize, err = strconv.ParseInt(v, 10, 64)
		c.dialer.MaxMessageSize = c.upgrader.MaxMessageSize
		return err
	},
	"Secure": func(c *fieldCase, v string) error {
		c.upgrader.Secure = func(r *http.Request) bool { return r.Header.Get("X-Forwarded-Proto") == v }
		return nil
	},
	"URL":    func(c *fieldCase, v string) error { c.url = v; return nil },
	"Stream": func(c *fieldCase, v string) error { c.stream = websocket.Binary; return oneOf(v, "Binary") },
	"ResponseWriter": func(c *fieldCase, v string) error {
		c.writer = v
		if fieldWriters[v] == nil {
			return fmt.Errorf("%q is no ResponseWriter", v)
		}
		return nil
	},

	// What is expected, if it is not in a section.
	"status": func(c *fieldCase, v string) (err error) { c.answer.status, err = strconv.Atoi(v); return err },
	"chosen": func(c *fieldCase, v string) error { c.answer.subprotocol = v; return nil },
	"behind-net/http": func(c *fieldCase, v string) (err error) {
		status, words, _ := strings.Cut(v, " ")
		c.behind = &fieldAnswer{}
		if words != "" {
			c.behind.words = []string{words}
		}
		c.behind.status, err = strconv.Atoi(status)
		return err
	},
}

// forReaders are the keys that do not make a case another one.
var forReaders = []string{"title", "note", "kind", "verdict", "words"}

func oneOf(v string, allowed ...string) error {
	if !slices.Contains(allowed, v) {
		return fmt.Errorf("%q is none of %q", v, allowed)
	}
	return nil
}

func (c *fieldCase) readVersions(v string) error {
	for name := range strings.SplitSeq(v, " ") {
		version, err := websocket.ParseVersion(name)
		if err != nil {
			return err
		}
		c.upgrader.Versions = append(c.upgrader.Versions, version)
	}
	return nil
}

// readCompression reads the options of Compression: "default", or fields with
// their values. Everything is compressed, because the messages of the cases are
// short.
func (c *fieldCase) readCompression(v string) error {
	options := &websocket.Compression{Threshold: 1}
	c.upgrader.Compression, c.dialer.Compression = options, options
	if v == "default" {
		return nil
	}
	for field := range strings.SplitSeq(v, " ") {
		name, value, _ := strings.Cut(field, "=")
		switch f := reflect.ValueOf(options).Elem().FieldByName(name); f.Kind() {
		case reflect.Bool:
			f.SetBool(value == "true")
		case reflect.Int:
			n, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			f.SetInt(int64(n))
		default:
			return fmt.Errorf("Compression has no field %q", name)
		}
	}
	return nil
}

// fieldSections are the sections of a case. Each reads its lines into the case.
var fieldSections = map[string]func(c *fieldCase, lines []string) error{
	"case":     (*fieldCase).readKeys,
	"head":     func(c *fieldCase, lines []string) error { c.head = strings.Join(lines, "\n"); return nil },
	"body":     func(c *fieldCase, lines []string) (err error) { c.body, err = readHexLines(lines); return err },
	"frames":   func(c *fieldCase, lines []string) (err error) { c.frames, err = readHexLines(lines); return err },
	"request":  func(c *fieldCase, lines []string) error { return c.request.readHeaders(lines) },
	"answer":   (*fieldCase).readAnswer,
	"messages": (*fieldCase).readMessages,
}

func (c *fieldCase) readKeys(lines []string) error {
	for _, line := range lines {
		key, value, ok := strings.Cut(line, ": ")
		read := fieldKeys[key]
		if !ok || read == nil {
			return fmt.Errorf("%q is no key with a value", line)
		}
		if err := read(c, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if !slices.Contains(forReaders, key) {
			c.given += line + "\n"
		}
	}
	return nil
}

func (c *fieldCase) readAnswer(lines []string) (err error) {
	if c.answer.status, err = strconv.Atoi(lines[0]); err != nil {
		return err
	}
	return c.answer.readHeaders(lines[1:])
}

// readHeaders reads headers, and the names of those that must be absent.
func (a *fieldAnswer) readHeaders(lines []string) error {
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case !ok:
			return fmt.Errorf("%q is no header", line)
		case name == "absent":
			a.absent = append(a.absent, value)
		default:
			a.fields = append(a.fields, [2]string{name, value})
		}
	}
	return nil
}

func (c *fieldCase) readMessages(lines []string) error {
	for i, line := range lines {
		if code, ok := strings.CutPrefix(line, "fails "); ok && i == len(lines)-1 {
			n, err := strconv.ParseUint(code, 10, 16)
			c.fails = websocket.StatusCode(n)
			return err
		}
		n, line, err := cutTimes(line)
		if err != nil || !fieldMessage.MatchString(line) {
			return fmt.Errorf("%q is no message, %v", line, err)
		}
		c.messages = append(c.messages, slices.Repeat([]string{repeatInField(line)}, n)...)
	}
	return nil
}

// fieldMessage is the form that describe gives a message.
var fieldMessage = regexp.MustCompile(`^(Text|Binary|Ping|Pong|Close \d+) ".*"$`)

// cutTimes cuts "n * " off a line, and returns n, or 1 if there is none.
func cutTimes(line string) (n int, rest string, err error) {
	times, rest, ok := strings.Cut(line, " * ")
	if !ok || strings.Trim(times, "0123456789") != "" {
		return 1, line, nil
	}
	n, err = strconv.Atoi(times)
	return n, rest, err
}

// fieldRepeat is a placeholder for one character many times.
var fieldRepeat = regexp.MustCompile(`\$\{(\d+) \* (.)\}`)

func repeatInField(s string) string {
	return fieldRepeat.ReplaceAllStringFunc(s, func(s string) string {
		m := fieldRepeat.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[1])
		return strings.Repeat(m[2], n)
	})
}

// readHexLines reads bytes in hex, texts in quotes, and comments after #. A line
// that begins with "n *" counts n times.
func readHexLines(lines []string) (all []byte, err error) {
	for _, line := range lines {
		n, line, err := cutTimes(line)
		if err != nil {
			return nil, err
		}
		b, err := readHexLine(line)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		all = append(all, bytes.Repeat(b, n)...)
	}
	return all, nil
}

func readHexLine(line string) (b []byte, err error) {
	for line = strings.TrimSpace(line); line != "" && line[0] != '#'; line = strings.TrimSpace(line) {
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, err
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			b, line = append(b, text...), line[len(quoted):]
			continue
		}
		var digits string
		digits, line, _ = strings.Cut(line, " ")
		if b, err = hex.AppendDecode(b, []byte(digits)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// parseFieldCase reads a case. It refuses what it does not know, so that a slip
// of the pen cannot turn an expectation off.
func parseFieldCase(name, text string) (*fieldCase, error) {
	c := &fieldCase{name: name, side: websocket.ServerSide, url: requestURL, answer: fieldAnswer{status: noStatus}}
	c.dialer.HandshakeTimeout = -1
	var seen []string
	for part := range strings.SplitSeq("\n"+strings.TrimRight(text, "\n"), "\n-- ") {
		section, lines, _ := strings.Cut(part, " --\n")
		if section == "" {
			continue
		}
		read := fieldSections[section]
		if read == nil || slices.Contains(seen, section) || lines == "" {
			return nil, fmt.Errorf("section %.40q is unknown, given twice or empty", section)
		}
		seen = append(seen, section)
		if err := read(c, strings.Split(lines, "\n")); err != nil {
			return nil, fmt.Errorf("section %s: %w", section, err)
		}
	}
	c.given += fmt.Sprintf("%s\n%x\n%x", c.head, c.body, c.frames)
	return c, c.check(seen)
}

// check returns an error if something is missing, or contradicts itself.
func (c *fieldCase) check(sections []string) error {
	server := c.side == websocket.ServerSide
	refused := c.verdict != verdictServed
	switch {
	case c.title == "" || c.kind == "" || c.verdict == "" || c.head == "":
		return fmt.Errorf("title, kind, verdict or head is missing")
	case refused != (len(c.words) > 0):
		return fmt.Errorf("words are for what is refused")
	case server != slices.Contains(sections, "answer"):
		return fmt.Errorf("the section answer is for requests")
	case server && slices.Contains(sections, "request"):
		return fmt.Errorf("the section request is for responses")
	case !server && (c.answer.status == noStatus) == c.refusesHandshake():
		return fmt.Errorf("status is for handshakes that a client must refuse")
	case refused != (c.fails != 0 || c.refusesHandshake()):
		return fmt.Errorf("verdict is %s: it does not fit status %d and failure %d", c.verdict, c.answer.status, c.fails)
	case c.refusesHandshake() && (len(c.messages) > 0 || c.fails != 0):
		return fmt.Errorf("messages of a connection that there is not")
	case !c.refusesHandshake() && len(c.messages) == 0 && c.fails == 0:
		return fmt.Errorf("messages are missing")
	}
	return nil
}

// refusesHandshake reports whether the handshake must fail. A client that takes
// a response has no HandshakeError, so there is no status.
func (c *fieldCase) refusesHandshake() bool {
	if c.side == websocket.ClientSide {
		return c.verdict != verdictServed && c.fails == 0
	}
	return c.answer.status != http.StatusSwitchingProtocols
}

// wireHead returns the head as it is sent. replacer is for placeholders.
func (c *fieldCase) wireHead(t *testing.T, replacer *strings.Replacer) []byte {
	t.Helper()
	var b []byte
	for i, line := range append(strings.Split(repeatInField(c.head), "\n"), "") {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(line, `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("line %q of the head: %v", line, err)
		}
		b = append(b, replacer.Replace(text)...)
		if c.lineEnd == "" || c.lineEnd == "mixed" && i%2 == 0 {
			b = append(b, '\r')
		}
		b = append(b, '\n')
	}
	return b
}

// readFieldCases reads all cases.
func readFieldCases(t *testing.T) (cases []*fieldCase) {
	t.Helper()
	files, err := os.ReadDir("testdata/field")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file.Name() == "README.md" {
			continue
		}
		b, err := os.ReadFile(filepath.Join("testdata/field", file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		c, err := parseFieldCase(file.Name(), string(b))
		if err != nil {
			t.Errorf("testdata/field/%s: %v", file.Name(), err)
			continue
		}
		cases = append(cases, c)
	}
	return cases
}
