package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// stage is what the demo's page may do besides being an app: end a phone and change the password.
// It is of the demo alone, on this machine alone.
type stage struct {
	opened
	user identity.ID
	say  func(string) // to the terminal: no page learns a password
}

// handle adds the stage's addresses.
func (s stage) handle(mux *http.ServeMux) {
	mux.HandleFunc("POST /demo/end", s.ours(s.end))
	mux.HandleFunc("POST /demo/password", s.ours(s.password))
}

// ours lets in the demo's own page only: another site can send neither our name as Host (DNS rebinding) nor the header
// without asking first.
func (s stage) ours(next func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.Host)
		if host != "localhost" || r.Header.Get("X-Demo") == "" {
			http.Error(w, "This is for the demo's own page.", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxStageBody)
		switch err := next(w, r); {
		case identity.KindOf(err) == identity.NotFound:
			http.Error(w, "There is no such session.", http.StatusNotFound)
		case err != nil:
			http.Error(w, "That did not work. Try again.", http.StatusInternalServerError)
		}
	}
}

const maxStageBody = 4 << 10

// session finds the Session that a request names, if it is one of the demo's person.
func (s stage) session(r *http.Request) (identity.Session, error) {
	id, err := uuid.Parse(r.FormValue("sid"))
	if err != nil {
		return identity.Session{}, identity.Refuse(identity.NotFound, "That is no session.")
	}
	row, err := s.db.SessionByID(r.Context(), id)
	if err == nil && row.UserID != s.user {
		err = identity.Refuse(identity.NotFound, "It is someone else's.")
	}
	return row, err
}

// end ends one phone. Both phones are in one browser here, so the person's own way, which ends that browser's sign-in too, would
// end both.
func (s stage) end(w http.ResponseWriter, r *http.Request) error {
	row, err := s.session(r)
	if err != nil {
		return err
	}
	if _, err := s.db.End(r.Context(), identity.Ending{Session: row.ID, Cause: identity.EndDevice}); err != nil {
		return err
	}
	fmt.Fprint(w, "It was ended from the other device, and knows it already.")
	return nil
}

func (s stage) password(w http.ResponseWriter, r *http.Request) error {
	password := newPassword()
	if err := s.renewPassword(r.Context(), s.user, password); err != nil {
		return err
	}
	s.say("The new password of " + demoUser + " is " + password + "\n")
	fmt.Fprint(w, "The password is another one: every device is signed out. The new one stands in the terminal.")
	return nil
}

func newPassword() string {
	text := strings.ToLower(rand.Text())
	return strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:16]}, "-")
}
