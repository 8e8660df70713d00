package websocket_test

import (
	"path"
	"testing"
)

// fieldFaults are faults that show in what other programs send, and not in how
// a connection is used, with the tests that look for them. TestField has each
// of them in what a client or a server of the field has sent.
var fieldFaults = map[string][]string{
	"compression is answered with more than was offered": {
		"internal/permessage/TestNothingIsAnsweredThatWasNotOffered", "TestCompressionOffers", "TestCompressionResponses",
	},
	"peers that compress otherwise than agreed fail": {
		"TestCompressionWithPeersOfTheField", "TestCompressionOptionsWithPeersOfTheField", "internal/deflate/TestTolerant", "TestWindowErrors",
	},
	"subprotocols that are not tokens are refused": {"TestEachSubprotocol", "TestServerSubprotocol", "TestClientRefuses"},
	"the limit of fragments is below that of the message": {
		"TestMaxFragmentsFollowsMaxMessageSize", "TestMaxFragments",
	},
	"origins of native clients are refused":                     {"TestOriginMatrix", "TestOriginsAllowed", "internal/origin/TestSame", "internal/origin/TestAllowed"},
	"mistakes in options are told late, or too often":           {"TestValidate", "TestMistakesAreLoggedOnce", "TestMistakesAreLoggedByServer"},
	"responses of small servers are refused":                    {"TestClientTakesBareLF", "internal/httphead/TestTrimNames"},
	"responses in other protocols are accepted":                 {"TestClientRefuses", "TestClientRefusalsAdvise"},
	"malformed extensions are ignored":                          {"TestServerExtensions", "internal/permessage/TestWellFormed"},
	"a refusal over the version does not name the others":       {"TestServerNamesVersionsOnlyOverThem", "TestServerDetectsVersion"},
	"proxies of the environment get what a program dials":       {"TestDialProxyFromEnvironment"},
	"handshakes panic where only FIPS 140-3 is allowed":         {"TestHandshakesMeetWithFIPSOnly"},
	"Hijack without a reader panics, and leaks the connection":  {"TestHijackWithoutReader", "TestHijackWithoutConnection", "TestPanicOfConnection", "TestBrokenContextLeaksNoConnection"},
	"no User-Agent is sent":                                     {"TestClientUserAgent", "internal/proxy/TestDialConnectUserAgent"},
	"an idle connection keeps a large head":                     {"TestMaxHeaderBytes", "TestMaxHeaderLines", "TestKeptRequestIsBounded"},
	"messages that nobody wants are inflated":                   {"TestSkippedIsNotInflated", "TestSkippedKeepsToTheLimits", "TestClosingHandshakeInflatesNothingInVain"},
	"a message may take forever":                                {"TestMessageTimeout"},
	"a message that is inflated takes more memory than it must": {"TestMemoryOfABomb", "TestMemoryOfALongMessage", "TestLiveHeapOfNextReader", "TestMemoryOfAPartialMessage"},
	"a deadline loses what was inflated":                        {"TestDeadlineAtEveryCompressedByte", "TestDeadlinesWhileSkippingCompressed", "internal/deflate/TestPieces"},
	"a refusal does not say what to do":                         {"TestRefusalTexts", "TestRefusalTextsAreComplete", "TestClientRefusalsAdvise", "TestProxyRefusalsAdvise", "TestDialFailuresAdvise"},
}

// Every fault that what others send can show has tests.
func TestFaultsOfTheFieldAreLookedFor(t *testing.T) {
	for fault, names := range fieldFaults {
		for _, name := range names {
			if !testNames(t, path.Dir(name))[path.Base(name)] {
				t.Errorf("%s: there is no test %s", fault, name)
			}
		}
	}
}
