package origin

import "testing"

// The short way gives what the long way gives.
func TestPlainlySame(t *testing.T) {
	taken := 0
	for _, scheme := range []string{"", "http://", "https://", "HTTPS://", "ws://", "https:"} {
		for _, host := range []string{
			"", "a", "a.example", "a-b.example.", "A.example", "10.0.0.1", "[::1]", "[::1]:80", "a:80", "a:443", "a:8080", "a..b",
			"a:", "a:0", "a:99999", "a:+80", ":80", "a:80:80", "u@a", "a/", "a?", "a#", "a,a", "a b", "é.example", "a_b",
		} {
			for _, origin := range []string{scheme + host, scheme + host + "x", scheme + "x" + host} {
				for _, secure := range []bool{false, true} {
					if plainlySame(origin, host, secure) {
						taken++
						if err := compareOrigin(origin, host, secure); err != nil {
							t.Errorf("Origin %q, Host %q, secure %v: taken for the same though %v", origin, host, secure, err)
						}
					}
				}
			}
		}
	}
	if want := 9 * 3; taken != want {
		t.Errorf("%d pairs of Origin and Host were the same, want %d", taken, want)
	}
}
