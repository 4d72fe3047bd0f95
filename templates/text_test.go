package templates

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// orphan is a page that no template belongs to.
type orphan struct{ Frame }

func (orphan) template() string { return "orphan" }

func TestShow_refusesAPageWithoutTemplate(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if err := Show(w, http.StatusOK, orphan{}); err == nil || w.Body.Len() != 0 {
		t.Errorf("err = %v, wrote %d bytes", err, w.Body.Len())
	}
}

func TestText_refusesWhatTheCatalogueLacks(t *testing.T) {
	t.Parallel()
	if _, err := text("no.such.key"); err == nil {
		t.Error("an unknown key passed")
	}
	if _, err := text("app.continue", "operator", "Harbour"); err == nil {
		t.Error("a placeholder without a value passed")
	}
}

func TestRich_isolatesAndEscapesWhatAnAppCallsItself(t *testing.T) {
	t.Parallel()
	got, err := rich("app.continue", "app", "\u202eBank<b>\x00\u2069{app}")
	if err != nil {
		t.Fatal(err)
	}
	if want := "Continue to <bdi>Bank&lt;b&gt;{app}</bdi>"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSay_knowsEverySentenceThatHandlersChoose(t *testing.T) {
	t.Parallel()
	for _, s := range []Sentence{
		SignInAgain, SignedUp, SignUpClosed, RegisterClosed, GoOn, Unreadable,
		TooLong, BrokenNext, AskSignOut, BackTo, StepUp, SignInOver, SignInEnded, DeviceEnded, OthersEnded, AccessWithdrawn,
		PasswordChanged, FactorRemoved, FactorRequired, CodesRenewed, NameChanged, NoMail, MailTitle, SentReset, SentVerify,
		SentAddress, SentAnew, ToSignIn, ToAccount, ToSecurity, ToDevices, LinkTitle, ResetOver, ResetAnew, VerifyOver,
		AddressOver, AddressAnew, NotMeOver, NotMeAnew, AddressStays, AddressTaken, AddressChangedTitle, AddressChanged,
		VerifyTitle, Verified, ResetDone, SignedUpBy,
	} {
		got := Say(s, "username", "ada@example.com", "app", "Notes", "email", "ada@example.com")
		if got == "" || strings.Contains(got, "{") {
			t.Errorf("%s says %q", s, got)
		}
	}
}

func TestCount_knowsOneAndMany(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "At least 0 characters", 1: "At least 1 character.", 2: "At least 2 characters"} {
		if got, err := count("signup.password_hint", n); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("count(%d) = %q, %v; want %q…", n, got, err, want)
		}
	}
}

func TestHeading_everyCauseHasWords(t *testing.T) {
	t.Parallel()
	for _, cause := range []Cause{OurFault, BadRequest, NothingHere, NotAllowed, ForeignForm, TooManyTries, Away} {
		if err := Show(httptest.NewRecorder(), http.StatusOK, Problem{Cause: cause}); err != nil {
			t.Errorf("cause %q: %v", cause, err)
		}
	}
}

func TestCatalogue_everySentenceIsUsed(t *testing.T) {
	t.Parallel()
	sources := source(t, "*.html") + source(t, "[abd-z]*.go") + source(t, "consent.go")
	for key := range english.sentences {
		base := key
		for _, suffix := range []string{".one", ".other", ".title", ".busy", ".sentence"} {
			base = strings.TrimSuffix(base, suffix)
		}
		byName := strings.HasPrefix(key, "scope.") || strings.HasPrefix(key, "problem.") ||
			strings.HasPrefix(key, "event.") || strings.HasPrefix(key, "cause.") ||
			strings.HasPrefix(key, "mail.") // TestWriteMail_everySentenceIsInAMail
		if !byName && !strings.Contains(sources, `"`+base+`"`) {
			t.Errorf("no page says %q", key)
		}
	}
}

var (
	actions = regexp.MustCompile(`(?s){{.*?}}`)
	tags    = regexp.MustCompile(`(?s)<.*?>`)
	spoken  = regexp.MustCompile(`(?:alt|title|placeholder|aria-label)="[^"]*\pL`)
	letters = regexp.MustCompile(`\pL+`)
)

func TestCatalogue_noWordsInTheHTML(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(files, "*.html")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		html, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		bare := actions.ReplaceAllString(string(html), "")
		if attr := spoken.FindString(bare); attr != "" {
			t.Errorf("%s says %s", name, attr)
		}
		if word := letters.FindString(tags.ReplaceAllString(bare, "")); word != "" {
			t.Errorf("%s says %q, which belongs into the catalogue", name, word)
		}
	}
}

func source(t *testing.T, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(content)
	}
	return all.String()
}
