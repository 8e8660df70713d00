package interop

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/protocol-websocket/websocket"
)

// cell is one result: an implementation, a version and a role.
type cell struct {
	peer    string
	version websocket.Version
	role    role
	result  result
	checks  int      // steps that were made
	notes   []string // what the peer cannot do, or why it failed
}

func (c *cell) fail(err error) {
	c.result = failed
	c.notes = append(c.notes, "FAIL: "+err.Error())
}

type result string

const (
	passed       result = "PASS"
	failed       result = "FAIL"
	notSupported result = "–" // by the peer
)

// results gathers the cells of all tests for the table.
var results struct {
	sync.Mutex
	cells []cell
}

func record(c cell) {
	if c.result == failed && len(c.notes) == 0 {
		c.notes = []string{"FAIL: it was broken off"}
	}
	results.Lock()
	defer results.Unlock()
	results.cells = append(results.cells, c)
}

// amend changes a cell that was recorded.
func amend(peer string, v websocket.Version, r role, change func(*cell)) {
	results.Lock()
	defer results.Unlock()
	for i := range results.cells {
		if c := &results.cells[i]; c.peer == peer && c.version == v && c.role == r {
			change(c)
		}
	}
}

// printTable writes a row for each peer and role and a column for each version,
// and below it the reasons for what was not done.
func printTable(w io.Writer, cells []cell) {
	type row struct {
		peer string
		role role
	}
	var rows []row
	at := map[row]map[websocket.Version]cell{}
	for _, c := range cells {
		r := row{c.peer, c.role}
		if at[r] == nil {
			rows = append(rows, r)
			at[r] = map[websocket.Version]cell{}
		}
		if at[r][c.version].result != failed { // with -count one cell can come more than once
			at[r][c.version] = c
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if c := strings.Compare(strings.ToLower(a.peer), strings.ToLower(b.peer)); c != 0 {
			return c
		}
		return strings.Compare(string(b.role), string(a.role))
	})
	count := map[result]int{}
	checks := 0
	fmt.Fprintf(w, "%s %-7s", pad("implementation", 34), "it is")
	for _, v := range versions {
		fmt.Fprint(w, " ", pad(short(v), 9))
	}
	fmt.Fprintln(w)
	for _, r := range rows {
		fmt.Fprintf(w, "%s %-7s", pad(r.peer, 34), r.role)
		for _, v := range versions {
			c, ok := at[r][v]
			text := ""
			if ok {
				count[c.result]++
				checks += c.checks
				if text = string(c.result); c.result == passed {
					text = fmt.Sprintf("PASS %d", c.checks)
				}
			}
			fmt.Fprint(w, " ", pad(text, 9))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "\n%d cells: %d PASS, %d FAIL, %d not supported by the peer (–); %d checks. The number after PASS is that of the checks made.\n",
		count[passed]+count[failed]+count[notSupported], count[passed], count[failed], count[notSupported], checks)
	fmt.Fprintf(w, "\nNot done, and why:\n")
	for _, r := range rows {
		printNotes(w, r.peer, r.role, at[r])
	}
}

// printNotes writes each note once, with the versions it is for.
func printNotes(w io.Writer, peer string, role role, cells map[websocket.Version]cell) {
	var notes []string
	where := map[string][]string{}
	for _, v := range versions {
		c, ok := cells[v]
		if !ok {
			continue
		}
		for _, n := range c.notes {
			if where[n] == nil {
				notes = append(notes, n)
			}
			where[n] = append(where[n], short(v))
		}
	}
	for _, n := range notes {
		fmt.Fprintf(w, "  %s, %s, %s: %s\n", peer, role, strings.Join(where[n], " "), n)
	}
}

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}
