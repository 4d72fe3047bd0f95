package identity_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sojourn-auth/sojourn/identity"
)

func keyring(t testing.TB, seeds ...byte) *identity.Keyring {
	t.Helper()
	var roots [][]byte
	for _, seed := range seeds {
		sum := sha256.Sum256([]byte{seed})
		roots = append(roots, sum[:])
	}
	ring, err := identity.NewKeyring(roots...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func somePromise() identity.Promise {
	at := time.Date(2026, 11, 23, 8, 0, 0, 123000, time.UTC)
	return identity.Promise{
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(),
		SignInID: identity.NewID(), SignInSecret: identity.NewSecret(),
		Binding:  identity.NewBinding("notes", "com.example.notes:/cb", sha256.Sum256([]byte("verifier"))),
		AuthTime: at.Add(-time.Hour), IssuedAt: at, AMR: identity.PWD | identity.OTP | identity.MFA,
		Scopes: []string{"openid", "offline_access", "notes.read"}, Nonce: "n-0S6_WzA2Mj",
		Resources: []string{"https://api.example.com/", "https://files.example.com"},
	}
}

func someAccess() identity.AccessToken {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	return identity.AccessToken{
		SessionID: identity.NewID(), Secret: identity.NewSecret(), ID: identity.NewID(),
		IssuedAt: at, Expires: at.Add(10 * time.Minute), Key: identity.Thumbprint(sha256.Sum256([]byte("key"))),
		ClientID: "notes", Audience: "https://api.example.com/", Scopes: []string{"notes.read", "openid"},
	}
}

func TestAccessToken_saysWhatWasMinted(t *testing.T) {
	t.Parallel()
	ring := keyring(t, 1)
	own := someAccess()
	own.SessionID, own.Secret, own.Key, own.Scopes = identity.ID{}, identity.Secret{}, identity.Thumbprint{}, nil
	for _, want := range []identity.AccessToken{someAccess(), own} {
		text, err := ring.AccessText(want)
		if err != nil || !strings.HasPrefix(text, "sj_at_") {
			t.Fatalf("%q, %v", text, err)
		}
		if got, err := ring.ReadAccess(text); err != nil || !cmp.Equal(got, want) {
			t.Errorf("ReadAccess = %+v, %v, want %+v", got, err, want)
		}
		if strings.Contains(text, base64.RawURLEncoding.EncodeToString(want.Secret[:])[:8]) {
			t.Error("a resource server could read the Session's secret")
		}
	}
}

// A Session's scopes and resources have come through a code, so its tokens always fit.
func TestAccessToken_fitsWhateverACodeCarriesAndIsRefusedBeyond(t *testing.T) {
	t.Parallel()
	ring, token := keyring(t, 1), someAccess()
	token.ClientID, token.Audience = strings.Repeat("c", 64), "urn:"+strings.Repeat("a", 508)
	token.Scopes = []string{strings.Repeat("s", 540)}
	if text, err := ring.AccessText(token); err != nil || len(text) > identity.MaxAccessLen {
		t.Errorf("%d characters, %v", len(text), err)
	}
	token.Scopes = []string{strings.Repeat("s", 1000)}
	if _, err := ring.AccessText(token); identity.KindOf(err) != identity.Invalid {
		t.Errorf("a token of more than %d characters was made: %v", identity.MaxAccessLen, err)
	}
}

func TestRefreshToken_saysWhatWasMinted(t *testing.T) {
	t.Parallel()
	ring := keyring(t, 1)
	want := identity.NewRefreshToken(identity.NewID(), identity.NewSecret(), "notes").At(70000, 999)
	text := ring.RefreshText(want)
	if !strings.HasPrefix(text, "sj_rt_") || len(text) != 88 {
		t.Errorf("%q has %d characters, want 88 after sj_rt_", text, len(text))
	}
	got, err := ring.ReadRefresh(text)
	if err != nil || got != want {
		t.Fatalf("ReadRefresh = %+v, %v", got, err)
	}
	if !got.Of("notes") || got.Of("other") {
		t.Error("the token does not know its client")
	}
}

// Every sealed text of ours, so that one test of tampering covers them all.
func sealedTexts(t *testing.T, ring *identity.Keyring) map[string]func(string) error {
	t.Helper()
	code, err := ring.CodeText(somePromise())
	if err != nil {
		t.Fatal(err)
	}
	asked, err := ring.AskedText(identity.Asked{Params: map[string][]string{"scope": {"openid"}}, At: time.Unix(9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	access, err := ring.AccessText(someAccess())
	if err != nil {
		t.Fatal(err)
	}
	refresh := ring.RefreshText(identity.NewRefreshToken(identity.NewID(), identity.NewSecret(), "notes"))
	cookie := ring.CookieText(identity.Pointer{SignInID: identity.NewID()})
	return map[string]func(string) error{
		code:    func(s string) error { _, err := ring.ReadCode(s); return err },
		asked:   func(s string) error { _, err := ring.ReadAsked(s); return err },
		access:  func(s string) error { _, err := ring.ReadAccess(s); return err },
		refresh: func(s string) error { _, err := ring.ReadRefresh(s); return err },
		cookie:  func(s string) error { _, err := ring.ReadCookie(s); return err },
	}
}

func TestSealedText_anyChangeIsForged(t *testing.T) {
	t.Parallel()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for text, read := range sealedTexts(t, keyring(t, 1)) {
		if err := read(text); err != nil {
			t.Fatalf("%s is refused as it is: %v", text[:6], err)
		}
		for i := range text {
			for bit := range 6 {
				at := strings.IndexByte(alphabet, text[i])
				changed := text[:i] + string(alphabet[at^(1<<bit)]) + text[i+1:]
				if err := read(changed); !errors.Is(err, identity.ErrForged) {
					t.Fatalf("%s with bit %d of character %d flipped: %v", text[:6], bit, i, err)
				}
			}
			if err := read(text[:i]); !errors.Is(err, identity.ErrForged) {
				t.Fatalf("%s cut to %d characters: %v", text[:6], i, err)
			}
			if err := read(text[:i] + "\n" + text[i:]); !errors.Is(err, identity.ErrForged) {
				t.Fatalf("%s with a line break at %d: %v", text[:6], i, err)
			}
		}
		for _, wrong := range []string{text + "A", text + "=", " " + text, "", "sj_rt_", strings.Repeat("A", 5000)} {
			if err := read(wrong); !errors.Is(err, identity.ErrForged) {
				t.Errorf("%.20q: %v", wrong, err)
			}
		}
	}
}

func TestSealedText_ofAnotherRootSecretIsForged(t *testing.T) {
	t.Parallel()
	theirs := keyring(t, 2)
	for text := range sealedTexts(t, theirs) {
		for name, err := range map[string]error{
			"refresh": second(keyring(t, 1).ReadRefresh(text)), "code": second(keyring(t, 1).ReadCode(text)),
			"access": second(keyring(t, 1).ReadAccess(text)),
			"asked":  second(keyring(t, 1).ReadAsked(text)), "cookie": second(keyring(t, 1).ReadCookie(text)),
		} {
			if !errors.Is(err, identity.ErrForged) {
				t.Errorf("read as %s: %v", name, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestKeyring_aRetiredRootStillOpens(t *testing.T) {
	t.Parallel()
	old, both := keyring(t, 1), keyring(t, 2, 1)
	sealed := old.Seal(identity.ForFactor, []byte("seed"), []byte("user"))
	if plain, err := both.Open(identity.ForFactor, sealed, []byte("user")); err != nil || string(plain) != "seed" {
		t.Errorf("Open = %q, %v", plain, err)
	}
	if _, err := both.Open(identity.ForFactor, sealed, []byte("another user")); !errors.Is(err, identity.ErrForged) {
		t.Errorf("a factor moved to another user's row opened: %v", err)
	}
	if _, err := both.Open(identity.ForKey, sealed, []byte("user")); !errors.Is(err, identity.ErrForged) {
		t.Errorf("sealed for one purpose, opened for another: %v", err)
	}
	if hash := old.HashSecret("s3cret-s3cret"); !both.SecretMatches("s3cret-s3cret", hash) || both.SecretMatches("other", hash) {
		t.Error("a client secret hashed under the retired root is not judged rightly")
	}
	before, now := old.Hashes(identity.ForRecovery, []byte("code")), both.Hashes(identity.ForRecovery, []byte("code"))
	if len(before) != 1 || len(now) != 2 || bytes.Equal(now[0], before[0]) || !bytes.Equal(now[1], before[0]) {
		t.Errorf("a hash under the retired root is not the second of %x", now)
	}
	if bytes.Equal(both.Seal(identity.ForFactor, nil, nil)[:3], sealed[:3]) {
		t.Error("the retired root still seals")
	}
}

func TestNewKeyring_refusesWhatIsNoRoot(t *testing.T) {
	t.Parallel()
	root := make([]byte, 32)
	for name, roots := range map[string][][]byte{"none": {}, "short": {root[:31]}, "twice the same": {root, root}} {
		if _, err := identity.NewKeyring(roots...); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestCode_saysWhatWasPromised(t *testing.T) {
	t.Parallel()
	ring, want := keyring(t, 1), somePromise()
	text, err := ring.CodeText(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ring.ReadCode(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(identity.Binding{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCode_isShortUnlessTheRequestWasNot(t *testing.T) {
	t.Parallel()
	ring, p := keyring(t, 1), somePromise()
	p.Nonce = strings.Repeat("n", 512)
	p.Scopes, p.Resources = []string{"openid", "profile", "email", "offline_access"}, nil
	text, err := ring.CodeText(p)
	if err != nil || len(text) > identity.UsualCodeLen {
		t.Errorf("a nonce of 512 bytes with all common scopes: %d characters, %v", len(text), err)
	}
	p.Nonce = strings.Repeat("n", identity.MaxAsked)
	text, err = ring.CodeText(p)
	if err != nil || len(text) > identity.MaxCodeLen {
		t.Errorf("all that a request can bring: %d characters, %v", len(text), err)
	}
	if got, err := ring.ReadCode(text); err != nil || got.Nonce != p.Nonce || got.Device != (identity.Device{}) {
		t.Errorf("it is read back as %+v: %v", got, err)
	}
	p.Nonce = strings.Repeat("n", 2*identity.MaxAsked)
	if _, err := ring.CodeText(p); identity.KindOf(err) != identity.Invalid {
		t.Errorf("a code of more than %d characters was made: %v", identity.MaxCodeLen, err)
	}
}

// TestBinding_RFC7636AppendixB is the S256 example of RFC 7636, appendix B.
func TestBinding_RFC7636AppendixB(t *testing.T) {
	t.Parallel()
	raw, err := base64.RawURLEncoding.DecodeString("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
	if err != nil {
		t.Fatal(err)
	}
	b := identity.NewBinding("c", "r", [32]byte(raw))
	if !b.Verified("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") || b.Verified("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl") {
		t.Error("the verifier is not judged rightly")
	}
}

// TestRedeem_everyRowOfTheTable is the redemption table of DESIGN §2 below the INSERT that won.
func TestRedeem_everyRowOfTheTable(t *testing.T) {
	t.Parallel()
	p := somePromise()
	started := p.IssuedAt.Add(5 * time.Second)
	session := identity.Session{
		SecretHash: p.SessionSecret.Hash(), CreatedAt: started,
		IdleEndsAt: started.Add(time.Hour), EndsAt: started.Add(time.Hour),
	}
	for name, c := range map[string]struct {
		change func(*identity.Promise, *identity.Session)
		after  time.Duration
		want   identity.Redemption
	}{
		"an honest retry":      {nil, 20 * time.Second, identity.RetryCode},
		"too late for a retry": {nil, 20*time.Second + 1, identity.ReplayCode},
		"refreshed since":      {func(_ *identity.Promise, s *identity.Session) { s.Line.Generation = 1 }, 0, identity.ReplayCode},
		"without PKCE": {func(p *identity.Promise, _ *identity.Session) {
			p.Binding = identity.NewBinding("notes", "", [32]byte{})
		}, 0, identity.ReplayCode},
		"the Session is over":          {func(_ *identity.Promise, s *identity.Session) { s.EndedAt = started }, 0, identity.ReplayCode},
		"another code of this request": {func(p *identity.Promise, _ *identity.Session) { p.SessionSecret = identity.NewSecret() }, 0, identity.RefuseCode},
	} {
		promise, row := p, session
		if c.change != nil {
			c.change(&promise, &row)
		}
		if got := promise.Redeem(row, started.Add(c.after)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestConsentBinding_tiesBrowserPersonAndRequest(t *testing.T) {
	t.Parallel()
	ring := keyring(t, 1)
	mine := identity.Standing{
		SignIn: identity.SignIn{ID: identity.NewID(), SecretHash: []byte("hash")}, User: identity.User{ID: identity.NewID()},
	}
	page := identity.Question{To: mine, Next: "request", Step: identity.StepConsent}
	binding := ring.ConsentBinding(page)
	if !ring.BoundTo(binding, page) || ring.BoundTo("", page) {
		t.Error("the page's own binding is refused, or none is needed")
	}
	for what, swap := range map[string]func(q *identity.Question){
		"the person":     func(q *identity.Question) { q.To.User.ID = identity.NewID() },
		"the request":    func(q *identity.Question) { q.Next = "another request" },
		"the question":   func(q *identity.Question) { q.Step = identity.StepContinue },
		"the app's name": func(q *identity.Question) { q.Demand.Client.Name = "Bank" },
		"the way back":   func(q *identity.Question) { q.Demand.Redirect = "https://evil.example/cb" },
	} {
		other := page
		if swap(&other); ring.BoundTo(binding, other) {
			t.Errorf("%s can be swapped under the button", what)
		}
	}
}

func FuzzReadTokens(f *testing.F) {
	ring := keyring(f, 1)
	f.Add(ring.RefreshText(identity.NewRefreshToken(identity.NewID(), identity.NewSecret(), "c")))
	f.Add(ring.CookieText(identity.Pointer{}))
	f.Add("sj_ac_")
	f.Add("sj_at_AQAA")
	f.Fuzz(func(t *testing.T, text string) {
		if token, err := ring.ReadAccess(text); err == nil {
			t.Errorf("%q was not made here, but says %+v", text, token)
		}
		if token, err := ring.ReadRefresh(text); err == nil && ring.RefreshText(token) != text {
			t.Errorf("%q is read but spelled %q", text, ring.RefreshText(token))
		}
		_, _ = ring.ReadCode(text)
		_, _ = ring.ReadCookie(text)
	})
}

// Whatever a client is called and asks for, its token says that and nothing else.
func FuzzAccessText(f *testing.F) {
	ring := keyring(f, 1)
	f.Add("notes", "https://api.example.com/", "openid notes.read")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, client, audience, scope string) {
		if strings.Contains(client+audience+scope, "\n") {
			return // none of the three can hold one
		}
		want := someAccess()
		want.ClientID, want.Audience, want.Scopes = client, audience, identity.SplitScope(scope)
		text, err := ring.AccessText(want)
		if err != nil {
			return // too long
		}
		if got, err := ring.ReadAccess(text); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
	})
}

func FuzzReadAsked(f *testing.F) {
	ring := keyring(f, 1)
	f.Add("client_id=notes&scope=openid+email&state=a%00b")
	f.Add("a=1&a=2;b")
	f.Fuzz(func(t *testing.T, value string) {
		want := identity.NewAsked(map[string][]string{"state": {value}}, time.UnixMicro(1).UTC()).In("b", time.UnixMicro(1).UTC())
		text, err := ring.AskedText(want)
		if err != nil {
			return // too long
		}
		got, err := ring.ReadAsked(text)
		if err != nil || got.Get("state") != value {
			t.Errorf("%q came back as %q, %v", value, got.Get("state"), err)
		}
		if _, err := ring.ReadAsked(value); err == nil {
			t.Errorf("%q opens as a request", value)
		}
	})
}

func TestRandomText_isNoFlagOfACommand(t *testing.T) {
	t.Parallel()
	for range 1000 {
		if text := identity.RandomText(12); text[0] == '-' || len(text) != 16 {
			t.Fatal(text)
		}
	}
}
