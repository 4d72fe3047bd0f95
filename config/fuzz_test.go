package config

import (
	"encoding/base64"
	"testing"
)

func FuzzYAML(f *testing.F) {
	for _, seed := range []string{"mfa: off\n", "trusted_proxies: [10.0.0.0/8]\n", "a: &a [*a]\n", "? {}\n: x\n", "secret: !!binary AA==\n", "1: 2\nnull: ~\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		layer, err := parseYAML(content)
		if err != nil {
			return
		}
		c, err := Load(Options{Flags: layer})
		if err == nil && c.Validate() != nil {
			t.Errorf("Load passed what Validate refuses: %v", c.Validate())
		}
	})
}

func FuzzSecret(f *testing.F) {
	for _, seed := range []string{"", ",", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA", "AA==,%", "a-b_c+/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s Secret
		if err := s.Set(text); err != nil {
			if len(s) != 0 {
				t.Error("kept something of a list that it refused")
			}
			return
		}
		var again Secret
		for _, key := range s {
			if len(key) != secretBytes {
				t.Fatalf("took a key of %d bytes", len(key))
			}
			one, err := parseKey(base64.RawURLEncoding.EncodeToString(key))
			if err != nil || string(one) != string(key) {
				t.Fatalf("a key does not survive its own spelling: %v", err)
			}
			again = append(again, one)
		}
		if len(again) > secretsAtAll {
			t.Errorf("took %d keys", len(again))
		}
	})
}
