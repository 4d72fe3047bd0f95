package identity_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestGrant_suffices(t *testing.T) {
	t.Parallel()
	known := identity.Client{Metadata: identity.Metadata{
		AuthMethod: "none", RedirectURIs: []string{"com.example:/cb"}, Scope: "openid email profile",
	}}
	stranger := known
	stranger.SelfRegistered = true
	claimed := stranger
	claimed.RedirectURIs = []string{"https://app.example/cb"}
	for name, c := range map[string]struct {
		allowed bool
		client  identity.Client
		prompt  string
		scope   string
		pressed bool // on a page that was shown for this request
		want    bool
	}{
		"never asked before":                 {false, known, "", "openid", false, false},
		"allowed before":                     {true, known, "", "openid email", false, true},
		"one scope more":                     {true, known, "", "openid profile", false, false},
		"one scope more, and a yes to less":  {true, known, "", "openid profile", true, false},
		"prompt=consent":                     {true, known, "consent", "openid", false, false},
		"prompt=consent, answered":           {true, known, "consent", "openid", true, true},
		"a stranger on a private-use scheme": {true, stranger, "", "openid", false, false},
		"a stranger, allowed just now":       {true, stranger, "", "openid", true, true},
		"a stranger on claimed https":        {true, claimed, "", "openid", false, true},
		"allowed, and withdrawn meanwhile":   {false, known, "", "openid", true, false},
	} {
		sent := identity.NewAsked(map[string][]string{"prompt": {c.prompt}, "scope": {c.scope}}, asked)
		demand, err := sent.Demand(c.client, nil, asked)
		if err != nil {
			t.Fatal(err)
		}
		var grant identity.Grant
		if c.allowed {
			grant = identity.Grant{Scopes: []string{"openid", "email"}, UpdatedAt: asked.Add(-time.Hour), Shown: demand.Shown()}
		}
		if demand.Pressed = c.pressed; grant.Suffices(demand, 0) != c.want {
			t.Errorf("%s: %t", name, !c.want)
		}
		if grant.Suffices(demand, 1) {
			t.Errorf("%s: it outlived the credentials that it was given under", name)
		}
	}
}

// A consent holds for what its page showed: whatever of it changes, the person is asked once more.
func TestGrant_holdsForWhatThePageShowed(t *testing.T) {
	t.Parallel()
	d := identity.Demand{Client: identity.Client{Metadata: identity.Metadata{Name: "Notes"}}, Redirect: "https://notes.example/cb"}
	grant := identity.Grant{UpdatedAt: asked, Shown: d.Shown()}
	for what, change := range map[string]func(d *identity.Demand){
		"name":            func(d *identity.Demand) { d.Client.Name = "Bank" },
		"logo":            func(d *identity.Demand) { d.Client.LogoURI = "https://bank.example/logo.png" },
		"page":            func(d *identity.Demand) { d.Client.URI = "https://bank.example/" },
		"policy":          func(d *identity.Demand) { d.Client.PolicyURI = "https://bank.example/policy" },
		"terms":           func(d *identity.Demand) { d.Client.TermsURI = "https://bank.example/policy" },
		"keys":            func(d *identity.Demand) { d.Client.JWKS = []byte("{}") },
		"place of keys":   func(d *identity.Demand) { d.Client.JWKSURI = "https://bank.example/jwks" },
		"host":            func(d *identity.Demand) { d.Redirect = "https://bank.example/cb" },
		"scheme":          func(d *identity.Demand) { d.Redirect = "example.notes:/cb" },
		"host: the phone": func(d *identity.Demand) { d.Redirect = "http://127.0.0.1:1/cb" },
	} {
		other := d
		if change(&other); grant.Suffices(other, 0) {
			t.Errorf("it holds for another %s", what)
		}
	}
	d.Redirect, d.Client.SoftwareVersion = "https://notes.example/other", "2"
	if !grant.Suffices(d, 0) {
		t.Error("it does not hold for what nobody sees")
	}
	d.Redirect = "http://127.0.0.1:1/cb"
	grant.Shown = d.Shown()
	if d.Redirect = "http://127.0.0.1:2/cb"; !grant.Suffices(d, 0) {
		t.Error("it does not hold for another port on loopback")
	}
}

// allowing is a page that asks for these scopes.
func (w *world) allowing(scopes ...string) identity.Demand {
	return identity.Demand{Client: w.client, Redirect: "https://notes.example/cb", Scopes: scopes}
}

func (w *world) grant() identity.Grant {
	w.Helper()
	grant, err := w.db.GrantOf(w.Context(), w.user.ID, w.client.ID)
	if err != nil {
		w.Fatal(err)
	}
	return grant
}

// parallel runs f 16 times at once.
func (w *world) parallel(f func(ctx context.Context, i int) error) {
	w.Helper()
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			if err := f(w.Context(), i); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
}

func TestGrants_ofConsentsGivenAtOnceNoneIsLost(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		who, grants := w.standing(w.signIn()), identity.Grants{Store: w.db, Now: w.clock.now}
		w.parallel(func(ctx context.Context, i int) error {
			return grants.Allow(ctx, who, w.allowing(fmt.Sprintf("scope%d", i)))
		})
		if got := w.grant().Scopes; len(got) != 16 {
			t.Errorf("kept are %v", got)
		}
	})
}

func TestGrants_aWithdrawnConsentNeverComesBack(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		who, grants := w.standing(w.signIn()), identity.Grants{Store: w.db, Now: w.clock.now}
		for range 5 {
			if err := grants.Allow(w.Context(), who, w.allowing("old")); err != nil {
				t.Fatal(err)
			}
			w.parallel(func(ctx context.Context, i int) error {
				if i == 8 {
					return w.db.DeleteGrant(ctx, w.user.ID, w.client.ID)
				}
				return grants.Allow(ctx, who, w.allowing(fmt.Sprintf("scope%d", i)))
			})
			if got := w.grant().Scopes; slices.Contains(got, "old") {
				t.Errorf("what was withdrawn is back: %v", got)
			}
		}
	})
}

// A thief's yes, or one to an app that was called something else, is not taken over by a later one to less.
func TestGrants_aNewConsentTakesNothingOverFromOtherCircumstances(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		who, grants := w.standing(w.signIn()), identity.Grants{Store: w.db, Now: w.clock.now}
		allow := func(d identity.Demand, want ...string) {
			t.Helper()
			if err := grants.Allow(w.Context(), who, d); err != nil {
				t.Fatal(err)
			}
			if got := w.grant().Scopes; !slices.Equal(got, want) {
				t.Errorf("allowed is %v, want %v", got, want)
			}
		}
		allow(w.allowing("openid"), "openid")
		allow(w.allowing("email"), "openid", "email")
		renamed := w.allowing("files")
		renamed.Client.Name = "Bank"
		allow(renamed, "files")
		who.User.Epoch++
		renamed.Scopes = []string{"openid"}
		allow(renamed, "openid")
	})
}

// Whoever has apps registered and allows them for ever keeps 200: what nothing rests on gives way, and nothing else.
func TestGrants_ofAPersonAreBounded(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		who := w.standing(cookie)
		allow := func(id string) error {
			d := w.allowing("openid")
			d.Client.ID = id
			return w.consents().Allow(w.Context(), who, d)
		}
		w.begin(cookie) // a Session of the app that was allowed first
		w.must(allow(w.client.ID))
		for i := range identity.MaxGrants + 10 {
			w.must(allow(fmt.Sprintf("app%d", i)))
		}
		kept, err := w.db.GrantsOf(w.Context(), w.user.ID, 1000)
		w.must(err)
		if len(kept) != identity.MaxGrants || w.grant().UpdatedAt.IsZero() {
			t.Errorf("%d are kept, of the app in use: %v", len(kept), w.grant())
		}
		for _, g := range kept {
			at := identity.DocumentKey{UserID: g.UserID, ClientID: g.ClientID, Key: "k"}
			_, _, err := identity.Documents{Store: w.db}.Put(w.Context(), at, "1", identity.Condition{})
			w.must(err)
		}
		w.wantKind(allow("one more"), identity.Conflict)
		w.must(allow(w.client.ID))
	})
}
