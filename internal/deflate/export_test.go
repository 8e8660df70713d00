package deflate

import "slices"

// MaxBlock is how many bytes of a message a block has at most.
const MaxBlock = maxBlock

// Step is how many bytes come out at a time.
const Step = step

// What may be wrong with a message.
var (
	ErrTruncated = errTruncated
	ErrStored    = errStored
	ErrBlockType = errBlockType
	ErrLengths   = errLengths
	ErrSymbol    = errSymbol
)

// Window returns what c holds between two messages.
func (c *Compressor) Window() []byte { return c.window }

// Window returns what d holds between two messages.
func (d *Decompressor) Window() []byte { return d.window }

// AppendWhole decompresses a message and appends it to dst, which grows as needed.
func (d *Decompressor) AppendWhole(dst, payload []byte, limit int64) ([]byte, error) {
	for {
		out, n, full, err := d.Append(dst, payload, true, limit)
		if err != nil || !full {
			return out, err
		}
		dst, payload = slices.Grow(out, max(256, len(out))), payload[n:]
	}
}

// LengthSymbol returns the symbol of a length, the lowest length of that
// symbol, and the number of its extra bits.
func LengthSymbol(length int) (symbol, base, extra int) {
	s := lengthSymbol[length-3]
	return int(s), int(lengthBase[s]) + 3, int(lengthExtra[s])
}

// DistSymbol is LengthSymbol for a distance.
func DistSymbol(dist int) (symbol, base, extra int) {
	s := distSymbol(uint32(dist - 1))
	return int(s), int(distEntries[s] >> 16), int(distExtra(s))
}
