package oauth

import (
	"strings"
	"testing"
)

// The examples of RFC 9449 §4.1, §5 and §7.1 are all signed by the key of §6.1.
const (
	exampleHead = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscE" +
		"JoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
	refreshExample = exampleHead + "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY" +
		"29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ." +
		"pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA"
	resourceExample = exampleHead + "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxl" +
		"Lm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFb" +
		"yJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	exampleToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
	exampleKey   = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
)

func TestReadProof_readsTheExamplesOfRFC9449(t *testing.T) {
	t.Parallel()
	for example, to := range map[string]call{
		refreshExample:  {"POST", "https://server.example.com/token", ""},
		resourceExample: {"GET", "https://resource.example.org/protectedresource", exampleToken},
	} {
		claims, key, err := readProof(example)
		if err != nil {
			t.Fatal(err)
		}
		if key.String() != exampleKey {
			t.Errorf("the thumbprint is %s", key)
		}
		if err := claims.fit(to); err != nil {
			t.Errorf("%+v: %v", to, err)
		}
		if err := claims.fit(call{to.method, to.url, "another token"}); err == nil {
			t.Error("the proof fits another token")
		}
	}
}

// Each character of a proof is signed, or is the signature, or the key.
func TestReadProof_noCharacterCanBeChanged(t *testing.T) {
	t.Parallel()
	for i := range refreshExample {
		other := "A"
		if refreshExample[i] == 'A' {
			other = "Q" // differs in bits that the last character of a part needs
		}
		if _, key, err := readProof(refreshExample[:i] + other + refreshExample[i+1:]); err == nil && key.String() == exampleKey {
			t.Errorf("character %d can be changed", i)
		}
	}
}

func TestPlainURL_spellsWhatIsTheSameAlike(t *testing.T) {
	t.Parallel()
	const token = "https://id.example/oauth2/token"
	for text, same := range map[string]bool{
		"HTTPS://ID.Example/oauth2/token":              true, // RFC 3986 §6.2.2.1
		"https://id.example:443/oauth2/token":          true, // §6.2.3
		"https://id.example:/oauth2/token":             true,
		"https://id.example/oauth2/token?a=b#c":        true, // RFC 9449 §4.3
		"https://id.example/oauth2/%74oken":            true, // RFC 3986 §6.2.2.2
		"https://id.example/x/../oauth2/./token":       true, // §6.2.2.3
		"http://id.example/oauth2/token":               false,
		"https://id.example:80/oauth2/token":           false,
		"https://id.example:8443/oauth2/token":         false,
		"https://id.example.evil.example/oauth2/token": false,
		"https://id.example@evil.example/oauth2/token": false,
		"https://u:p@id.example/oauth2/token":          false,
		"https://id.example/oauth2/Token":              false,
		"https://id.example/oauth2/token/":             false,
		"https://id.example//oauth2/token":             false,
		"https://id.example/oauth2%2Ftoken":            false,
		"https://id.example/oauth2/userinfo":           false,
		"https://id.example":                           false,
		"/oauth2/token":                                false,
		"id.example/oauth2/token":                      false,
		"":                                             false,
		"\x00":                                         false,
	} {
		if got := plainURL(text) == plainURL(token); got != same {
			t.Errorf("%q: %v, spelt %q", text, got, plainURL(text))
		}
	}
	for a, b := range map[string]string{
		"https://id.example":              "https://id.example/",
		"http://localhost:80/a":           "http://LOCALHOST/a",
		"http://[::1]:8080/a":             "http://[::1]:8080/a?x",
		"https://id.example/t%c3%a9n/oa2": "https://ID.example/t%C3%A9n/oa2",
	} {
		if plainURL(a) != plainURL(b) {
			t.Errorf("%q is %q, %q is %q", a, plainURL(a), b, plainURL(b))
		}
	}
}

func FuzzReadProof(f *testing.F) {
	for _, text := range []string{
		refreshExample, resourceExample, "", "a.b.c", "e30.e30.", exampleHead + "e30.AA",
		"eyJhbGciOiJub25lIiwidHlwIjoiZHBvcCtqd3QifQ.e30.",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, key, err := readProof(text)
		if v := surface(atToken).judge(err); err != nil && (v.Code != "invalid_dpop_proof" || v.status != 400) {
			t.Errorf("%q is refused as %+v", text, v)
		}
		if err == nil && (strings.Count(text, ".") != 2 || key.String() == "" || len(text) > maxProof) {
			t.Errorf("%q passes", text)
		}
	})
}

func FuzzPlainURL(f *testing.F) {
	for _, text := range []string{"https://id.example/oauth2/token", "HTTP://a:80/%2e%2E/b%zz", "http://[::1%25x]/", "//a", "a:b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if once := plainURL(text); plainURL(once) != once {
			t.Errorf("%q is spelt %q, and that %q", text, once, plainURL(once))
		}
	})
}
