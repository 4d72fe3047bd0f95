package server

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
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
