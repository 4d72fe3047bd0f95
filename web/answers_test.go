package web

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestAnswers_everyKindHasOne(t *testing.T) {
	t.Parallel()
	for _, kind := range identity.Kinds {
		if got, ok := answers[kind]; !ok || got.status < 400 {
			t.Errorf("kind %d is answered %+v", kind, got)
		}
	}
	if len(answers) != len(identity.Kinds) {
		t.Errorf("%d answers for %d kinds", len(answers), len(identity.Kinds))
	}
}

// refused is the page for an error that no form shows.
func refused(err error, log *strings.Builder) *httptest.ResponseRecorder {
	keys, _ := identity.NewKeyring(make([]byte, 32))
	p := New(Options{Keys: keys, Fetch: http.DefaultClient, Log: slog.New(slog.NewTextHandler(log, nil))})
	w := httptest.NewRecorder()
	w.Header().Set(requestIDHeader, "REF12345")
	p.page(func(http.ResponseWriter, *http.Request) error { return err }).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, signInPath, nil))
	return w
}

func TestRefuse_everyKindShowsAPageWithAWayOn(t *testing.T) {
	t.Parallel()
	for _, kind := range identity.Kinds {
		var log strings.Builder
		w := refused(&identity.Error{Kind: kind, Msg: "What would be right.", Wait: 90 * time.Second}, &log)
		if kind == identity.SignInAgain {
			if w.Code != http.StatusSeeOther || w.Header().Get("Location") != signInPath {
				t.Errorf("SignInAgain: status %d, leads to %q", w.Code, w.Header().Get("Location"))
			}
			continue
		}
		if w.Code != answers[kind].status || !strings.Contains(w.Body.String(), "What would be right.") ||
			!strings.Contains(w.Body.String(), `href="/signin"`) || !strings.Contains(w.Body.String(), "REF12345") {
			t.Errorf("kind %d: status %d\n%s", kind, w.Code, w.Body)
		}
		if log.Len() != 0 {
			t.Errorf("kind %d is logged as a fault: %s", kind, &log)
		}
	}
}

func TestRefuse_faultTellsTheLogAndNotThePerson(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	w := refused(errors.New("secret detail"), &log)
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret detail") ||
		!strings.Contains(w.Body.String(), "REF12345") {
		t.Errorf("status %d\n%s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "secret detail") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestPages_everyStepThatAPageTakesHasOne(t *testing.T) {
	t.Parallel()
	for _, step := range identity.Steps {
		// Nothing is no step, and whom id_token_hint names is authorize's to judge.
		none := step == identity.StepNone || step == identity.StepOtherUser
		if _, ok := pages[step]; ok == none {
			t.Errorf("step %d has a page: %v", step, ok)
		}
	}
}
