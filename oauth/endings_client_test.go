package oauth_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// An API may prove by a key of its own who it is; each assertion is good for one request.
func TestEndings_areReadByAClientWithAKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "")
		api := s.app(s.signing7523(p))
		form := changed(asserting(p.write(t, s.claims(api))), []string{"nonce", someNonce, "wait", "0"})
		var got polledFeed
		text := s.askForm(endingsAt, form).want(http.StatusOK).body
		if err := json.Unmarshal([]byte(text), &got); err != nil || s.message(got.Beat).Nonce != someNonce {
			t.Errorf("%v: %+v", err, got)
		}
		s.askForm(endingsAt, form).refused(http.StatusUnauthorized, "invalid_client")
		other := changed(asserting(newPen(t, jose.ES256, "").write(t, s.claims(api))), []string{"nonce", someNonce, "wait", "0"})
		s.askForm(endingsAt, other).refused(http.StatusUnauthorized, "invalid_client")
	})
}
