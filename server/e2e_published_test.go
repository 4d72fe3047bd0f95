package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// TestOpenIDClient_signsInWhatNobodyRegistered runs openid-client as apps that publish what they are
// (draft-ietf-oauth-client-id-metadata-document).
func TestOpenIDClient_signsInWhatNobodyRegistered(t *testing.T) {
	t.Parallel()
	onNode(t, "published.mjs")
}

// TestOAuth4webapi_signsInWithoutOpenIDClientAboveIt drives what openid-client stands on by itself: a client of a document, with keys at
// its jwks_uri, proofs (DPoP), pushed and signed requests, a resource and signed userinfo.
func TestOAuth4webapi_signsInWithoutOpenIDClientAboveIt(t *testing.T) {
	t.Parallel()
	onNode(t, "oauth4webapi.mjs")
}

// The guard of all fetches stands before documents too: a public issuer reads none that is on this machine, by https or not, and
// the address that is judged is the one that is connected to, whatever the name says.
func TestPublished_aDocumentOnAPrivateAddressIsNeverAskedFor(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	site := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(site.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(site.URL, "https://"), ":")
	s := assembled(t, storagetest.Open(t, "sqlite"), map[string]string{"issuer": "https://id.example.com", "client_documents": "on"})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		id := "https://" + host + ":" + port + "/app"
		query := url.Values{"client_id": {id}, "redirect_uri": {"https://agent.example/cb"}, "response_type": {"code"}}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "https://id.example.com/oauth2/authorize?"+query.Encode(), nil)
		s.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Location") != "" {
			t.Errorf("%s: answered %d, led to %q", id, w.Code, w.Header().Get("Location"))
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the private server was asked %d times", n)
	}
}
