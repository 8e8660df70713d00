package websocket

// drain says who reads during a closing handshake. A goroutine of the program
// that reads keeps reading. While none does, the closing handshake reads by
// itself, because it must find the peer's Close frame. The fields are guarded by
// lifetime.mu.
type drain struct {
	active bool          // the closing handshake is reading
	roused bool          // rouse was called, and awaitRouse has not returned since
	wake   chan struct{} // closed by rouse; nil if awaitRouse is not waiting
}

// rouse makes awaitRouse return. It does nothing if d is nil.
func (d *drain) rouse() {
	if d == nil {
		return
	}
	d.roused = true
	if d.wake != nil {
		close(d.wake)
		d.wake = nil
	}
}
