package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// notesPlace describes a resource that apps which sign people in may ask for, as notes does.
func (s *site) notesPlace() {
	s.t.Helper()
	notes, err := s.db.RegisteredClient(s.t.Context(), "notes")
	if err != nil {
		s.t.Fatal(err)
	}
	notes.GrantTypes = []string{identity.GrantTypeCode}
	if err := s.db.UpdateClient(s.t.Context(), notes); err != nil {
		s.t.Fatal(err)
	}
	_, err = (identity.Operators{Store: s.db, Now: s.time}).AddResource(s.t.Context(), identity.Resource{
		URI: "https://api.example.com/mcp", ResourceSettings: identity.ResourceSettings{
			Name: "Your notes", NameIn: map[string]string{"de": "Deine Notizen"}, Open: true, Scopes: []identity.ResourceScope{
				{Name: "notes.read", Words: "Read your notes", WordsIn: map[string]string{"de": "Notizen lesen"}},
				{Name: "notes.write", Words: "Change your notes"},
			},
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// People read what the operator says of a resource, in their language, and /account/apps says the same afterwards.
func TestConsent_saysWhatAnAppMayDoAtAResource(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		s.notesPlace()
		asks := []string{"resource", "https://api.example.com/mcp/", "scope", "openid notes.read"}
		b := s.signedIn("anna@example.com")
		b.get("/consent?next="+s.next(append(asks, "ui_locales", "xx de-AT")...)).is(http.StatusOK, "Deine Notizen", "Notizen lesen")
		next := s.next(asks...)
		page := b.get("/consent?next="+next).is(http.StatusOK, "Your notes", "Read your notes")
		if strings.Contains(page.Text(), "Change your notes") {
			t.Error("the page says what the app did not ask for")
		}
		b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "allow").allows(b, next)
		if text := b.get("/account/apps").is(http.StatusOK, "Your notes", "Read your notes").Text(); strings.Contains(text, "Change your notes") {
			t.Error("the account says more than was allowed")
		}
	})
}

// OpenID Connect Core 1.0 §4: people open an app from the list of theirs, where it has a page that begins its sign-in.
func TestApps_openWhereTheyBeginASignIn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		page := b.get("/consent?next=" + next).is(http.StatusOK)
		b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "allow").allows(b, next)
		open := `main a[href^="https://notes.example/begin"]`
		if b.get("/account/apps").is(http.StatusOK).Find(open).Length() != 0 {
			t.Error("there is a link to nowhere")
		}
		notes, err := s.db.RegisteredClient(t.Context(), "notes")
		if err != nil {
			t.Fatal(err)
		}
		notes.InitiateLoginURI = "https://notes.example/begin?from=list"
		if err := s.db.UpdateClient(t.Context(), notes); err != nil {
			t.Fatal(err)
		}
		s.wait(2 * time.Second) // clients are kept for one
		link := b.get("/account/apps").is(http.StatusOK).Find(open)
		to, err := url.Parse(link.AttrOr("href", ""))
		if err != nil || link.Length() != 1 || to.Query().Get("iss") != issuer || to.Query().Get("from") != "list" || len(to.Query()) != 2 {
			t.Errorf("the link leads to %s (%v)", to, err)
		}
	})
}

// DESIGN law 12: the button is for the words that the page said.
func TestConsent_isAskedAnewWhereTheWordsChangedUnderTheButton(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		anna := s.user("anna@example.com")
		s.notesPlace()
		b, next := s.signedIn("anna@example.com"), s.next("resource", "https://api.example.com/mcp", "scope", "openid notes.read")
		page := b.get("/consent?next="+next).is(http.StatusOK, "Read your notes")
		_, _, err := (identity.Operators{Store: s.db, Now: s.time}).UpdateResource(t.Context(), "https://api.example.com/mcp",
			func(r identity.Resource) (identity.Resource, error) {
				r.Scopes[0].Words = "Publish your notes"
				return r, nil
			})
		if err != nil {
			t.Fatal(err)
		}
		b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "allow").is(http.StatusConflict, "Publish your notes")
		if grant, err := s.db.GrantOf(t.Context(), anna.ID, "notes"); err != nil || !grant.UpdatedAt.IsZero() {
			t.Errorf("a grant was kept: %+v (%v)", grant, err)
		}
	})
}
