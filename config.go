package websocket

import (
	"context"
	"errors"
	"math"
	"net/http"
	"os"
	"time"
)

// Config holds the options that servers and clients share; it is embedded in
// [Upgrader] and [Dialer]. The zero value is safe against a hostile peer. It
// must not be changed while in use. Without I/O, only MaxMessageSize,
// MaxFragments and Compression have an effect.
type Config struct {
	// MaxMessageSize is the largest message, in bytes, that is read; a larger
	// one fails the connection with [StatusMessageTooBig]. Of a compressed message
	// what it inflates to counts, from the byte on that is one too many. 0 means
	// 1 MiB, less than 0 no limit: what reads whole messages then lets a peer fill
	// the memory, with Compression by few bytes. NextReader and [Stream] hold only
	// a part of a message.
	MaxMessageSize int64

	// MaxFragments is the largest number of frames one message may come in. 0
	// means 4096, or one for each KiB of MaxMessageSize if that is more, or no
	// limit if MaxMessageSize is negative. Less than 0 means no limit.
	MaxFragments int

	// HandshakeTimeout bounds the opening handshake. For [Dialer.Dial],
	// [Dialer.Handshake] and [Upgrader.Accept] it begins with the call; Dial
	// counts connecting, proxies and TLS. Behind net/http it begins when the
	// response is sent, so it bounds neither the reading of the request nor Check.
	// [http.Server].ReadHeaderTimeout, which has no default, bounds the reading.
	// In [Hybi00] a server waits for the last 8 bytes with a second timeout of the
	// same length.
	//
	// 0 means 10 seconds, less than 0 no limit but that of the context. The error
	// of a handshake that took longer names this option. It wraps
	// [context.DeadlineExceeded] or [os.ErrDeadlineExceeded].
	HandshakeTimeout time.Duration

	// PingInterval is how long a connection may be silent before it is sent a
	// Ping, and PingTimeout how long it may stay silent after that before it is
	// given up with [ErrPingTimeout]. The second time runs from when the system
	// has taken the Ping. While the Ping waits behind other frames, the time
	// begins again with each 256 KiB that the system takes, so a large message
	// over a slow line ends nothing, and a peer that takes nothing is found. Time
	// in which the program does not read does not count against the peer. But a
	// peer whose own program does not read cannot answer, and is given up too. So
	// for a tunnel or a [Stream], PingInterval plus PingTimeout must be longer
	// than the longest pause of the peer's program.
	//
	// Over TLS nothing is heard of a peer before a whole record, of up to 16 KiB,
	// is there. If a write has failed, the connection ends with its error instead
	// of a Ping. PingInterval 0 or less means no keepalive, PingTimeout 0 or less
	// as long as PingInterval. Both have no effect on versions without Ping,
	// [Hybi00] and [Hixie75].
	PingInterval, PingTimeout time.Duration

	// MessageTimeout is how long reads may work on one message, from its first
	// byte to its last. The header of a frame that is not complete counts as a
	// message. A message that takes longer fails the connection with
	// [StatusPolicyViolation] and an error that wraps [ErrMessageTimeout]. Control
	// frames within the message do not prolong the time.
	//
	// Only time spent in reads counts, also in the reads of a closing handshake. A
	// program may pause after a read deadline, or between two calls of Read on
	// what NextReader has returned. If the connection below has no deadlines, the
	// limit is checked only when bytes arrive. 0 or less means no limit.
	MessageTimeout time.Duration

	// WriteTimeout is how long one frame may take, from the call that sends it
	// until the system has taken all of it. A frame that is late ends the
	// connection. For the errors of all calls errors.Is(err, [ErrWriteTimeout]) is
	// then true. WriteTimeout is for what goroutines share: it counts for each
	// frame by itself, also for those that wait behind others, for Pings, Pongs
	// and Close. It also counts for writers that wait for their turn, for example
	// for the NextWriter of another goroutine. What BufferMessage has queued does
	// not count until it is on its way. 0 or less means no limit.
	WriteTimeout time.Duration

	// Compression, if not nil, turns on compression of messages with peers that
	// want it too. See [Compression].
	Compression *Compression

	// Trace, if not nil, is told what happens. See [Trace].
	Trace *Trace
}

const (
	defaultMaxMessageSize   = 1 << 20
	defaultMaxFragments     = 4096
	defaultHandshakeTimeout = 10 * time.Second

	// fragmentCost is how many bytes of MaxMessageSize allow for one more fragment.
	fragmentCost = 1 << 10
)

func (c *Config) maxMessageSize() int64 {
	switch {
	case c.MaxMessageSize == 0:
		return defaultMaxMessageSize
	case c.MaxMessageSize < 0:
		return math.MaxInt64
	}
	return c.MaxMessageSize
}

func (c *Config) maxFragments() int {
	switch {
	case c.MaxFragments > 0:
		return c.MaxFragments
	case c.MaxFragments < 0 || c.MaxMessageSize < 0:
		return math.MaxInt
	}
	return int(min(max(defaultMaxFragments, c.maxMessageSize()/fragmentCost), math.MaxInt))
}

func (c *Config) handshakeTimeout() time.Duration {
	switch {
	case c.HandshakeTimeout == 0:
		return defaultHandshakeTimeout
	case c.HandshakeTimeout < 0:
		return math.MaxInt64
	}
	return c.HandshakeTimeout
}

// withinTimeout runs do with a context that also ends when the HandshakeTimeout
// of limit has passed. If that is why do fails, the error says so.
func withinTimeout[T any](ctx context.Context, limit time.Duration, do func(context.Context) (T, error)) (T, error) {
	deadline := time.Now().Add(limit)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	result, err := do(ctx)
	if err != nil && !time.Now().Before(deadline) {
		err = blameTimeout(err, limit)
	}
	return result, err
}

// blameTimeout names HandshakeTimeout in the error of something that was late.
// A refusal is not late, whatever it wraps.
func blameTimeout(err error, limit time.Duration) error {
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	if !late || isHandshakeError(err) {
		return err
	}
	return &handshakeTimeoutError{limit, err}
}

func (c *Config) pingTimeout() time.Duration {
	if c.PingTimeout <= 0 {
		return c.PingInterval
	}
	return c.PingTimeout
}

// Trace is a set of hooks that are told what happens on connections, after
// net/http/httptrace.ClientTrace. Each hook may be nil. Hooks are called from
// the goroutine in which the thing happens, possibly several at once, and
// while locks are held: they must be quick, and of the connection's methods may
// call only those that return a property, such as Version and RemoteAddr.
type Trace struct {
	// Opened is told of a connection whose handshake succeeded.
	Opened func(c *Conn)

	// HandshakeFailed is told of a handshake that did not succeed, and why: on a
	// server, of each request that was refused; on a client, of each dial that
	// failed. On a client r has no header that carries credentials: neither
	// Authorization and Proxy-Authorization nor cookies. It is nil if no request
	// could be read, or made.
	HandshakeFailed func(r *http.Request, err error)

	// FrameRead and FrameWritten are told of the header of each frame that was
	// received, and that was built to be sent, in the order in which frames
	// arrive and leave. A frame that was built is not sent if the connection ends
	// first.
	FrameRead, FrameWritten func(c *Conn, f FrameInfo)

	// Closed is told once that the connection is over, and why: a [CloseError]
	// after the peer's Close frame, which may have answered ours, a
	// [ProtocolError], an error that wraps [net.ErrClosed] after Close or
	// [context.DeadlineExceeded] after a Shutdown that was not answered in
	// time, [ErrPingTimeout], [ErrWriteTimeout], or what the network said.
	Closed func(c *Conn, err error)
}

// FrameInfo describes a frame to [Trace], RFC 6455 section 5.2.
type FrameInfo struct {
	Opcode MessageType // Continuation for all frames of a message but the first
	Fin    bool        // last frame of its message
	RSV    byte        // the reserved bits: RSV1 is 4, RSV2 is 2, RSV3 is 1
	Length int64       // of the payload in bytes, compressed if RSV1 is set; -1 for a frame received in a version without lengths
}

func (t *Trace) handshakeFailed(r *http.Request, err error) {
	if err != nil && t != nil && t.HandshakeFailed != nil {
		t.HandshakeFailed(r, err)
	}
}
