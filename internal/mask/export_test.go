package mask

// Block is the length from which on a payload is masked in blocks.
const Block = block

// KeySize is the length of a key in bytes.
const KeySize = keySize

// LongGeneric is what the assembly must agree with.
var LongGeneric = longGeneric

// Store returns the randomness drawn so far, and how much of it, from the
// front, is left.
func (k *Keys) Store() (buf [512]byte, left int) { return k.buf, k.left }
