package main

import (
	"strings"
	"testing"
)

// An agent finds its way from the notes' 401, registers itself, and has Ada asked once; what it may not do yet it asks for with
// all that it needs; and it is refused at once when she ends it.
func TestMCP_agentsSignInStepUpAndEnd(t *testing.T) {
	t.Parallel()
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openMCP(t)
			a := open(s, "")
			a.until("connected")
			a.wantAsked(1, "notes.read")
			if got := a.do("list"); got != `done: {"notes":[]}` {
				t.Errorf("Ada has %s", got)
			}
			if got := a.do("add Buy milk"); !strings.HasPrefix(got, `done: {`) || !strings.Contains(got, `"Buy milk"`) {
				t.Fatalf("a note that may be written is answered %s", got)
			}
			a.wantAsked(2, "notes.read notes.write")
			if got := a.do("list"); !strings.Contains(got, `"Buy milk"`) {
				t.Errorf("Ada has %s", got)
			}
			a.wantAsked(2, "notes.read notes.write")

			a.person.signOutDevices(s.issuer, "Notes in")
			a.refused()
		})
	}
}

// TypeScript's comes for the next token when the notes take the one it has no more, Go's when it runs out.
func TestMCP_agentsGoOnWithTheNextToken(t *testing.T) {
	t.Parallel()
	t.Run("TypeScript", func(t *testing.T) {
		t.Parallel()
		s := openMCP(t)
		a := kinds["TypeScript"](s, "")
		a.until("connected")
		a.do("revoke")
		for s.issued() == 1 { // the notes hear of it within the second
			if got := a.do("list"); got != `done: {"notes":[]}` {
				t.Fatalf("it says %s", got)
			}
		}
		a.wantAsked(1, "notes.read")
	})
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		s := openMCP(t)
		a := kinds["Go"](s, "", "-early", "1h") // every token has run out as soon as it is there
		a.until("connected")
		for range 20 {
			if got := a.do("list"); got != `done: {"notes":[]}` {
				t.Fatalf("it says %s", got)
			}
		}
		a.wantAsked(1, "notes.read")
		if got := s.issued() - 1; got < 20 {
			t.Errorf("it went on with the next token %d times only", got)
		}
	})
}

// An agent whose client id is the address of a document registers nowhere, and stays the same app at every sign-in.
func TestMCP_agentsSignInByADocument(t *testing.T) {
	t.Parallel()
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, roots := publish(t)
			s := openMCP(t, "SSL_CERT_FILE="+roots)
			a := open(s, id)
			a.until("connected")
			a.wantAsked(1, "notes.read")
			if got := a.do("add Buy milk"); !strings.Contains(got, `"Buy milk"`) {
				t.Fatalf("a note that may be written is answered %s", got)
			}
			a.wantAsked(2, "notes.read notes.write")
			for _, asked := range a.asked {
				if got := asked.Query().Get("client_id"); got != id {
					t.Errorf("it signed in as %s, not as %s", got, id)
				}
			}
			if strings.Contains(s.server.out.String(), "/oauth2/register") {
				t.Error("it registered, too")
			}
			a.person.signOutDevices(s.issuer, "Notes by document")
			a.refused()
		})
	}
}
