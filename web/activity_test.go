package web_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestActivity_tellsEachThingOnceAndNoDailyBusiness(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		event := func(kind identity.EventKind, detail string) {
			e := identity.Event{ID: identity.NewID(), At: s.time(), Kind: kind, UserID: u.ID, ClientID: "notes"}
			e.Detail = detail
			if err := s.db.AddEvent(identity.WithActor(t.Context(), "operator:ada"), e); err != nil {
				t.Fatal(err)
			}
		}
		event(identity.SessionEnded, string(identity.EndOperator))
		for range 30 {
			event(identity.SessionForked, "")
		}
		page := b.get("/account/security").is(http.StatusOK,
			"Notes was signed out: the people who run this service ended it", "Done by the people who run this service.")
		if strings.Contains(page.Text(), "operator:ada") || page.Find(".line").Length() != 1 {
			t.Errorf("the page says %q", page.Find(".list").Text())
		}
		for range 25 {
			s.wait(time.Second)
			event(identity.FactorRefused, "totp")
			event(identity.FactorRefused, "totp")
		}
		if n := b.get("/account/security").is(http.StatusOK).Find(".line").Length(); n != 20 {
			t.Errorf("%d things are told, want 20", n)
		}
	})
}

// TestActivity_everyEventAndCauseHasASentence reads the kinds where they are declared, so that none can be forgotten.
func TestActivity_everyEventAndCauseHasASentence(t *testing.T) {
	t.Parallel()
	kinds, causes := constants(t, "EventKind"), constants(t, "EndCause")
	if len(kinds) < 25 || len(causes) < 20 {
		t.Fatalf("%d kinds of Event and %d causes are declared", len(kinds), len(causes))
	}
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b, seen := s.signedIn(u.Email), map[string]string{}
		for _, kind := range append(kinds, causes...) {
			e := identity.Event{ID: identity.NewID(), Kind: identity.EventKind(kind), UserID: u.ID, ClientID: "notes"}
			s.wait(time.Minute)
			e.At = s.time()
			switch {
			case !strings.Contains(kind, "."):
				e.Kind, e.Detail = identity.SessionEnded, kind
			case e.Kind == identity.SignInEnded:
				e.Detail = string(identity.EndIdle)
			case e.Kind == identity.SessionForked, e.Kind == identity.SessionEnded: // not told; told with each cause
				continue
			}
			if err := s.db.AddEvent(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			said := strings.TrimSpace(b.get("/account/security").is(http.StatusOK).Find(".line").First().Text())
			before, twice := seen[said]
			if twice || strings.Contains(said, "it is over") || strings.Contains(said, "Something about") {
				t.Errorf("of %s the page says %q, as of %q", kind, said, before)
			}
			seen[said] = kind
		}
	})
}

// constants are the values of the constants of a type that package identity declares.
func constants(t *testing.T, name string) (values []string) {
	t.Helper()
	files, err := filepath.Glob("../identity/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, is := n.(*ast.ValueSpec); is {
				values = append(values, valuesOf(spec, name)...)
			}
			return true
		})
	}
	return values
}

func valuesOf(spec *ast.ValueSpec, name string) (values []string) {
	if of, named := spec.Type.(*ast.Ident); !named || of.Name != name {
		return nil
	}
	for _, value := range spec.Values {
		if literal, is := value.(*ast.BasicLit); is {
			text, _ := strconv.Unquote(literal.Value)
			values = append(values, text)
		}
	}
	return values
}
