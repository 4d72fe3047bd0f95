package server

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/config"
)

// claimsOf reads a token without judging it.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	return partOf(t, token, 1)
}

// headerOf reads a token's header.
func headerOf(t *testing.T, token string) map[string]any {
	t.Helper()
	return partOf(t, token, 0)
}

func partOf(t *testing.T, token string, n int) (part map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[n])
	if err == nil {
		err = json.Unmarshal(text, &part)
	}
	if err != nil {
		t.Fatal(err)
	}
	return part
}

// has reports whether a claim is a list with that value in it.
func has(claim any, value string) bool {
	list, _ := claim.([]any)
	return slices.Contains(list, any(value))
}

// spoken finds the members of what this server signs and answers about a token.
var spoken = regexp.MustCompile("`json:\"([a-z_]+)[,\"]")

// Nobody maps a claim of their own in the place of one that this server says: who reads a member twice takes the last one, and
// Go's encoding/json takes it in any letters.
func TestClaims_noneOfOnesOwnStandsInThePlaceOfOurs(t *testing.T) {
	t.Parallel()
	found := 0
	for _, file := range []string{"access_token", "id_token", "introspect", "backchannel"} {
		text, err := os.ReadFile(filepath.Join("..", "oauth", file+".go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range spoken.FindAllStringSubmatch(string(text), -1) {
			found++
			for _, claim := range []string{name[1], strings.ToUpper(name[1])} {
				if _, err := config.Load(config.Options{Flags: map[string]string{"claims": claim + "=groups"}}); err == nil && claim != "JKT" && claim != "jkt" {
					t.Errorf("%s may be mapped in the place of what %s.go says", claim, file)
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d were found", found)
	}
}
