package server

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/sojourn-auth/sojourn/identity"
)

// TestKeyRotation_oldTokensVerifyAndNewKeysWereKnownBefore rotates the keys of a running server.
func TestKeyRotation_oldTokensVerifyAndNewKeysWereKnownBefore(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		p, a, v := w.person(t), w.app(t, trusted), newVisitor(t)
		before := a.redeem(t, v.signIn(t, a, p))
		known := w.published(t, 6) // a current and a next one of three algorithms
		rotate := identity.SigningKeys{Store: w.db, Now: w.now}
		if err := rotate.Rotate(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		retired := w.published(t, 9)
		after := a.redeem(t, v.signIn(t, a, p))
		for what, token := range map[string][2]string{
			"access token": {before.AccessToken, after.AccessToken}, "ID token": {before.IDToken, after.IDToken},
		} {
			old, fresh := headerOf(t, token[0])["kid"].(string), headerOf(t, token[1])["kid"].(string)
			if old == fresh || !known[fresh] || !retired[old] {
				t.Errorf("%s: the kid goes from %s to %s; published were %v, then %v", what, old, fresh, known, retired)
			}
		}
		if r := a.userinfo(t, before.AccessToken); r.status != http.StatusOK {
			t.Errorf("the access token of the retired key: %d %s", r.status, r.body)
		}
		verifyIDTokens(t, a, before.IDToken, after.IDToken)
	})
}

func verifyIDTokens(t *testing.T, a *app, all ...string) {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), a.w.issuer)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range all {
		if _, err := provider.Verifier(&oidc.Config{ClientID: a.client.ID}).Verify(t.Context(), token); err != nil {
			t.Errorf("%v does not verify: %v", headerOf(t, token), err)
		}
	}
}

// published waits until that many keys are in the JWKS and returns their ids.
func (w *world) published(t *testing.T, n int) map[string]bool {
	t.Helper()
	var ids map[string]bool
	for began := time.Now(); time.Since(began) < patience; time.Sleep(100 * time.Millisecond) {
		var set struct{ Keys []struct{ Kid string } }
		if err := json.Unmarshal([]byte(w.get(t, w.issuer+"/oauth2/jwks").body), &set); err != nil {
			t.Fatal(err)
		}
		ids = map[string]bool{}
		for _, key := range set.Keys {
			ids[key.Kid] = true
		}
		if len(ids) == n {
			return ids
		}
	}
	t.Fatalf("the JWKS never had %d keys: %v", n, ids)
	return nil
}
