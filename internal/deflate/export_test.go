package deflate

// MaxBlock is how many bytes of a message a block has at most.
const MaxBlock = maxBlock

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
