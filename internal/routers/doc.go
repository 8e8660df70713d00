// Package routers holds tests of package websocket behind routers that use
// their contexts again for other requests.
package routers
