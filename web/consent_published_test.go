package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// draft-ietf-oauth-client-id-metadata-document §8: the host of the client id stands on the page, and where the answer goes. Where
// that is this device alone, the page says that another app could be there.
func TestConsent_namesTheHostThatPublishesTheApp(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		const id = "https://Publisher.example:8443/agents/one"
		s.client(identity.Client{
			ID: id, SelfRegistered: true, Epoch: 1, Published: identity.Publication{ReadAt: s.time(), FreshUntil: s.time()},
			Metadata: identity.Metadata{
				Name: "Agent", AuthMethod: "none", LogoURI: "https://publisher.example/logo.png",
				RedirectURIs: []string{"https://agent.example/cb", "http://127.0.0.1/cb"},
			},
		})
		s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		claimed := s.next("client_id", id, "redirect_uri", "https://agent.example/cb")
		page := b.get("/consent?next="+claimed).is(http.StatusOK, "Agent", "publisher.example:8443", "agent.example")
		if text := page.Find(".notice").Text(); strings.Contains(text, "Another app") {
			t.Errorf("a host of its own can be posed as: %q", text)
		}
		device := s.next("client_id", id, "redirect_uri", "http://127.0.0.1:49152/cb")
		b.get("/consent?next="+device).is(http.StatusOK, "publisher.example:8443", "Another app on this device", "an app on this device")
	})
}

// A logo of such an app has an address of its own: its id is no part of a path.
func TestLogo_ofAnAppWhoseIDIsAnAddress(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		const id = "https://publisher.example/agents/one"
		s.client(identity.Client{
			ID: id, SelfRegistered: true, Epoch: 1, Published: identity.Publication{ReadAt: s.time(), FreshUntil: s.time()},
			Metadata: identity.Metadata{AuthMethod: "none", LogoURI: newGallery(t).URL + "/png", RedirectURIs: []string{"https://agent.example/cb"}},
		})
		s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		page := b.get("/consent?next="+s.next("client_id", id, "redirect_uri", "https://agent.example/cb")).is(http.StatusOK, "publisher.example")
		src, found := page.Find(`img[src^="/logo/"]`).Attr("src")
		if !found {
			t.Fatal("the page shows no logo")
		}
		b.get(src).is(http.StatusOK)
	})
}
