package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/protocol-websocket/websocket"
)

// role is what the peer is in a cell: this package is the other.
type role string

const (
	asServer role = "server"
	asClient role = "client"
	between  role = "proxy"
)

const (
	hixie75 = websocket.Hixie75
	hybi00  = websocket.Hybi00
	hybi07  = websocket.Hybi07
	hybi10  = websocket.Hybi10
	rfc6455 = websocket.RFC6455
)

var (
	versions = []websocket.Version{hixie75, hybi00, hybi07, hybi10, rfc6455}
	hixie    = versions[:2]
	hybi     = versions[2:]
)

// isHixie reports that a version has neither types of frames nor codes.
func isHixie(v websocket.Version) bool { return slices.Contains(hixie, v) }

// short is the name of a version in the table, and as peers are told it.
func short(v websocket.Version) string {
	switch v {
	case hixie75:
		return "hixie-75"
	case hybi00:
		return "hybi-00"
	case hybi07:
		return "hybi-07"
	case hybi10:
		return "hybi-10"
	}
	return "rfc6455"
}

// peerSpec is an implementation and what it can do.
type peerSpec struct {
	name           string  // with the version that is installed
	server, client program // nil: it has no such role
	limits         limits
	origin         string // that a client names; "": pageOrigin

	// bad reports that a handshake failed because of a defect of the peer that
	// strikes at random, and is to be tried again.
	bad func(p *tap) bool
}

func (p *peerSpec) pageOrigin() string {
	if p.origin == "" {
		return pageOrigin
	}
	return p.origin
}

// limit says that a step, or a part of one, cannot be done, and why. See
// talk_test.go for their names.
type limit struct {
	step string
	why  string
	in   []websocket.Version // nil: all
	as   role                // "": both
}

type limits []limit

// of returns what cannot be done in one cell, and why.
func (l limits) of(v websocket.Version, as role) map[string]string {
	steps := map[string]string{}
	for _, l := range l {
		if (l.as == "" || l.as == as) && (l.in == nil || slices.Contains(l.in, v)) {
			steps[l.step] = l.why
		}
	}
	return steps
}

// only is the limit of a peer that has these versions and no other.
func only(as role, has ...websocket.Version) limit {
	lacks := slices.DeleteFunc(slices.Clone(versions), func(v websocket.Version) bool { return slices.Contains(has, v) })
	return limit{step: handshake, why: "it does not have this version", in: lacks, as: as}
}

var versionNumber = regexp.MustCompile(`^(?:\d+:|v)?([0-9a-z.]+)`)

// installed gives the versions of Debian's packages and of the modules in
// go.mod, without what Debian puts around them.
var installed = sync.OnceValue(func() map[string]string {
	packages, _ := exec.Command("dpkg-query", "--show", "--showformat", "${Package} ${Version}\n").Output()
	modules, _ := os.ReadFile("go.mod")
	found := map[string]string{}
	for line := range strings.Lines(string(packages) + string(modules)) {
		if f := strings.Fields(line); len(f) > 1 && versionNumber.MatchString(f[1]) {
			found[f[0]] = versionNumber.FindStringSubmatch(f[1])[1]
		}
	}
	return found
})

// named is the name of an implementation with its version, which is that of a
// package of Debian or a module of Go.
func named(name, source string) string {
	if v, ok := installed()[source]; ok {
		return name + " " + v
	}
	return name + " (not installed)"
}

// namedNPM does the same for a folder of peers/node/node_modules.
func namedNPM(folder string) string {
	var p struct{ Name, Version string }
	b, err := os.ReadFile("peers/node/node_modules/" + folder + "/package.json")
	if err != nil || json.Unmarshal(b, &p) != nil {
		return "Node " + folder + " (not installed)"
	}
	return "Node " + p.Name + " " + p.Version
}
