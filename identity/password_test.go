package identity_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestPassword_hashMatchesOnlyItself(t *testing.T) {
	t.Parallel()
	p := identity.NewPasswords(identity.DefaultHashCost)
	hash, err := p.Hash(t.Context(), "correct horse battery")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%q, %v", hash, err)
	}
	for password, want := range map[string]bool{
		"correct horse battery": true, "correct horse": false, "": false, strings.Repeat("x", 1<<20): false,
	} {
		if got, err := p.Matches(t.Context(), password, hash); err != nil || got != want {
			t.Errorf("%.20q: %t, %v", password, got, err)
		}
	}
	if got, err := p.Matches(t.Context(), "correct horse battery", ""); err != nil || got {
		t.Errorf("an account that does not exist: %t, %v", got, err)
	}
	if _, err := p.Matches(t.Context(), "x", "$2b$10$abc"); err == nil {
		t.Error("a hash of another make is judged")
	}
}

// NIST SP 800-63B §3.1.1.2: the same password typed on another system is the same password, and hashes from before that was
// so go on.
func TestPassword_oneSpellingForAllKeyboards(t *testing.T) {
	t.Parallel()
	p := identity.NewPasswords(storagetest.CheapHash)
	const composed, decomposed, wide = "zw\u00f6lf B\u00f6ller", "zwo\u0308lf Bo\u0308ller", "\uff5awölf Böller"
	const before = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$C9+nu10hTwbP8h1aAzW8mB5Qf1yaKA2FN95AIRvEAS0"
	hash, err := p.Hash(t.Context(), decomposed)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		password, hash string
		want           bool
	}{
		{composed, hash, true},
		{decomposed, hash, true},
		{wide, hash, true},
		{"zwolf Boller", hash, false},
		{decomposed, before, true},
		{composed, before, false},
	} {
		if got, err := p.Matches(t.Context(), c.password, c.hash); err != nil || got != c.want {
			t.Errorf("%+q: %t, %v", c.password, got, err)
		}
	}
}

func TestCheckPassword_saysWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]string{
		"short": "at least 8", strings.Repeat("xyz ö", 52): "at most 256",
		"nul\x00inside": "characters", "bad\xffbytes": "characters",
		"o\u0308o\u0308o\u0308o\u0308o\u0308o\u0308o\u0308": "at least 8", // seven
		"eight888": "", "zwölf Böller": "", "Tr0ub4dor&3": "", "correct horse battery": "", "пароль из слов": "",
	} {
		err := identity.CheckPassword(password)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.20q: %v", password, err)
		}
	}
}

func TestCheckPassword_refusesWhatAttackersTryFirst(t *testing.T) {
	t.Parallel()
	for _, password := range []string{
		"password", "PassWord", "password123", "2024Summer", "qwertyuiop", "1q2w3e4r5t", "ｉｌｏｖｅｙｏｕ",
		"something", "rodriguez", "Elizabeth",
		"12345678", "1234567890", "987654321", "abcdefgh", "aaaaaaaa", "abcabcabc", "12121212", "        ",
	} {
		err := identity.CheckPassword(password)
		if identity.KindOf(err) != identity.Invalid || !strings.Contains(err.Error(), "attackers") {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestCheckPassword_refusesWhatIsKnownOfTheAccount(t *testing.T) {
	t.Parallel()
	const email, service = "ada.lovelace@example.com", "Blue Harbour"
	for password, taken := range map[string]bool{
		"ada.lovelace@example.com": false, "Ada.Lovelace": false, "ada.lovelace!1": false, "blueharbour": false,
		"Blue Harbour 24":        false,
		"BlueHarbourBlueHarbour": false, "ada.lovelace@example.com Blue Harbour": false, "example.com1": false,
		"Blue Harbour opens at noon": true, "ada.lovelace wrote notes": true, "harbour of blue whales": true,
	} {
		err := identity.CheckNewPassword(password, email, service)
		if (err == nil) != taken || err != nil && !strings.Contains(err.Error(), "too close") {
			t.Errorf("%q: %v", password, err)
		}
	}
	if err := identity.CheckPassword("Blue Harbour 24", "", "ab", "@"); err != nil {
		t.Errorf("nothing is known: %v", err)
	}
}

func FuzzCheckPassword(f *testing.F) {
	for _, seed := range []string{"", "password", "\ufdfa", "zwo\u0308lf", "\xff\xfe", "ada@example.com", "99990000"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, password, known string) {
		err := identity.CheckPassword(password, known)
		if err == nil && (utf8.RuneCountInString(password) > identity.MaxPassword || !utf8.ValidString(password)) {
			t.Errorf("took %q", password)
		}
		if err != nil && identity.KindOf(err) != identity.Invalid {
			t.Error(err)
		}
	})
}

// A cost can be raised, and lowered again: PHC strings carry their own.
func TestPassword_hashesOfAnotherCostAreReadAndOutdated(t *testing.T) {
	t.Parallel()
	dear := identity.NewPasswords(identity.HashCost{Memory: 128, Passes: 2})
	cheap := identity.NewPasswords(storagetest.CheapHash)
	hash, err := dear.Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"correct horse battery": true, "correct horse": false} {
		if got, err := cheap.Matches(t.Context(), password, hash); err != nil || got != want {
			t.Errorf("%q: %t, %v", password, got, err)
		}
	}
	if !cheap.Outdated(hash) || dear.Outdated(hash) {
		t.Error("a hash is outdated where it was made at another cost, and only there")
	}
}

func TestPassword_aHashWhoseCostCannotBeIsAnError(t *testing.T) {
	t.Parallel()
	const tail = "$AAAAAAAAAAAAAAAAAAAAAA$C9+nu10hTwbP8h1aAzW8mB5Qf1yaKA2FN95AIRvEAS0"
	for _, cost := range []string{"m=64,t=0,p=1", "m=64,t=1,p=0", "m=4294967295,t=1,p=1", "m=64", "t=1,m=64,p=1"} {
		if ok, err := identity.NewPasswords(storagetest.CheapHash).Matches(t.Context(), "x", "$argon2id$v=19$"+cost+tail); err == nil || ok {
			t.Errorf("%s: %t, %v", cost, ok, err)
		}
	}
}
