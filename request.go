package websocket

import (
	"context"
	"encoding/binary"
	"net/http"
)

// keptRequest is the request that a connection was made of, kept as long as that
// lives. Its header is one string: a map, with a slice and a string for each
// line, takes three times as much memory, and few programs look at it again.
type keptRequest struct {
	http.Request
	header string // see packHeader
}

// keepRequest returns what is kept of r. What its context still holds of the
// http.Server is not kept alive.
func keepRequest(r *http.Request) *keptRequest {
	k := &keptRequest{Request: *r.WithContext(context.WithoutCancel(r.Context())), header: packHeader(r.Header)}
	k.Header, k.Body = nil, http.NoBody
	return k
}

// unpacked returns a copy of the request with its header.
func (k *keptRequest) unpacked() *http.Request {
	if k == nil {
		return nil
	}
	r := k.WithContext(k.Context())
	r.Header = unpackHeader(k.header)
	return r
}

// packHeader makes one string of h: of each name, how many values it has, and
// these. Before each stands how long it is, since a handler may have put
// anything there.
func packHeader(h http.Header) string {
	out := outBuffers.Get().(*outBuffer)
	defer recycle(out)
	for name, values := range h {
		out.b = append(binary.AppendUvarint(out.b, uint64(len(name))), name...)
		out.b = binary.AppendUvarint(out.b, uint64(len(values)))
		for _, value := range values {
			out.b = append(binary.AppendUvarint(out.b, uint64(len(value))), value...)
		}
	}
	return string(out.b)
}

func unpackHeader(packed string) http.Header {
	h := make(http.Header)
	number := func() int {
		n, size := binary.Uvarint([]byte(packed[:min(len(packed), binary.MaxVarintLen64)]))
		packed = packed[size:]
		return int(n)
	}
	part := func() string {
		n := number()
		p := packed[:n]
		packed = packed[n:]
		return p
	}
	for packed != "" {
		name, values := part(), make([]string, number())
		for i := range values {
			values[i] = part()
		}
		h[name] = values
	}
	return h
}
