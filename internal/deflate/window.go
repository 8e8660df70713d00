package deflate

// window holds the end of the messages so far, to which the next message may
// refer. Its memory grows as it fills.
type window []byte

// slide appends p and keeps the last size bytes. It keeps no memory for more.
func (w *window) slide(p []byte, size int) {
	p = p[max(0, len(p)-size):]
	old := (*w)[max(0, len(*w)+len(p)-size):]
	if n := len(old) + len(p); n > cap(*w) || cap(*w) > size {
		*w = make(window, 0, min(size, max(2*cap(*w), n)))
	}
	*w = append(append((*w)[:0], old...), p...)
}
