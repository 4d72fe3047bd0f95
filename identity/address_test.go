package identity_test

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestCleanEmail_isOneSpellingOfEachAddress(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64) + "@example.com"
	for typed, want := range map[string]string{
		"  Ada.Lovelace@Example.COM ":              "ada.lovelace@example.com",
		"ada+notes@example.com":                    "ada+notes@example.com",
		"o'neil/x=y@example.com":                   "o'neil/x=y@example.com",
		"ada@B\u00fccher.Example":                  "ada@xn--bcher-kva.example",
		"ada@Bu\u0308cher.example":                 "ada@xn--bcher-kva.example", // as a Mac may write it
		"ada@XN--BCHER-KVA.example":                "ada@xn--bcher-kva.example",
		"ada@stra\u00dfe.example":                  "ada@xn--strae-oqa.example",
		"ada@\u4f8b\u3048\u3002\u30c6\u30b9\u30c8": "ada@xn--r8jz45g.xn--zckzah", // with an ideographic full stop
		long: long,
	} {
		if got, err := identity.CleanEmail(typed); err != nil || got != want {
			t.Errorf("%q is %q (%v), want %q", typed, got, err, want)
		}
	}
}

func TestCleanEmail_saysWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	for sentence, all := range map[string][]string{
		"Enter an e-mail address like name@example.com.": {
			"", "ada", "@example.com", "ada@", "a b@example.com", "a@b@c", "a\x00@b.c", "<a@b.c>", "a\xff@b.c", "a,b@example.com",
			"a..b@example.com", ".a@example.com", "a.@example.com", "a(b)@example.com", "a;b@example.com", "Ada <ada@example.com>",
			"a\\b@example.com", "a:b@example.com", "\"ada@", "a\u200b b@example.com", "a\u202e@example.com",
		},
		"in quotation marks": {`"a b"@example.com`, `"a"@example.com`, `"a@b"@example.com`},
		"Before the @ only":  {"j\u00fcrgen@example.com", "\u0430da@example.com"},
		"stands after the @": {"a@example..com", "a@[bad", "a@[127.0.0.1]", "a@exa_mple.com", "a@-example.com", "a@example.com.", "a@b,c", "a@" + strings.Repeat("b", 64) + ".example", "a@xn--a.example", "a@b\x00.c", "a@b <c>"},
		"This address is too long": {
			strings.Repeat("a", 65) + "@b.cd", "a@" + strings.Repeat("b.", 130) + "example", strings.Repeat("a", 9000) + "@b.cd",
		},
	} {
		for _, wrong := range all {
			email, err := identity.CleanEmail(wrong)
			if identity.KindOf(err) != identity.Invalid || email != "" || !strings.Contains(err.Error(), sentence) {
				t.Errorf("%.80q: %q, %v, want %q", wrong, email, err, sentence)
			}
		}
	}
}

func TestKnownEmail_findsWhoHadAnAddressBeforeTheRule(t *testing.T) {
	t.Parallel()
	if got, err := identity.KnownEmail(" J\u00fcrgen@B\u00fccher.example"); err != nil || got != "j\u00fcrgen@xn--bcher-kva.example" {
		t.Errorf("%q, %v", got, err)
	}
	for typed, want := range map[string]string{
		"ada@xn--bcher-kva.example": "ada@b\u00fccher.example", "ada@example.com": "", "no address": "", "": "",
	} {
		if got, other := identity.FormerSpelling(typed); other != (want != "") || other && got != want {
			t.Errorf("%q was %q (%v), want %q", typed, got, other, want)
		}
	}
}

// FuzzCleanEmail: what is taken stays as it is, is ASCII without a space, and is what a mail is addressed to.
func FuzzCleanEmail(f *testing.F) {
	for _, seed := range []string{"ada@example.com", "a@b\u00fccher.example", `"a b"@c.de`, "a@xn--a", "\uff41@\uff42.c", "a@b\u3002c", "\xff@b", "a@\u0661.com"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		email, err := identity.CleanEmail(typed)
		if err != nil {
			return
		}
		again, err := identity.CleanEmail(email)
		if err != nil || again != email {
			t.Errorf("%q is %q, and that is %q (%v)", typed, email, again, err)
		}
		read, err := mail.ParseAddress(email)
		if err != nil || read.Name != "" || read.Address != email {
			t.Errorf("a mail to %q goes to %+v (%v)", email, read, err)
		}
		if len(email) > 254 || strings.ContainsFunc(email, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Errorf("%q is taken", email)
		}
		if known, err := identity.KnownEmail(typed); err != nil || known != email {
			t.Errorf("%q is looked up as %q (%v)", email, known, err)
		}
	})
}
