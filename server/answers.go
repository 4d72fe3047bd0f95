package server

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/web"
)

// refusal is what the server itself answers, before or instead of a surface: a page to people, JSON to programs.
type refusal struct {
	status int
	title  string
	msg    string
	code   string // RFC 6749 §5.2
	action string // what an app is to do (DESIGN law 7)
}

var (
	errFault = refusal{
		http.StatusInternalServerError, "Something went wrong here",
		"That was our fault and has been written down. Try again in a moment.", "server_error", "retry",
	}
	errTooLarge = refusal{
		http.StatusRequestEntityTooLarge, "That is too much",
		"The request holds more than 65,536 bytes. Send less.", "invalid_request", "stop",
	}
	errNothingHere = refusal{
		http.StatusNotFound, "Nothing here",
		"There is no page at this address. The link to it may be old, or was cut short when it was copied.", "", "",
	}
	errNoEndpoint = refusal{
		http.StatusNotFound, "", "There is no endpoint at this address; the discovery document names them all.", "invalid_request", "stop",
	}
	errNoOperation = refusal{
		http.StatusNotFound, "", "There is no operation at this address; /api/openapi.json names them all.", "", "",
	}
	errForeignRequest = refusal{
		http.StatusForbidden, "", "A page in a browser sent this request, so nothing was done. Call the API from a program.", "", "",
	}
	errWrongMethod = refusal{
		http.StatusMethodNotAllowed, "That does not work here",
		"This address takes other requests than the one that came.", "invalid_request", "stop",
	}
	errForeignForm = refusal{
		http.StatusForbidden, "That form came from elsewhere",
		"Another site sent this form in your name, so nothing was done. If you meant to do it, do it here.", "access_denied", "",
	}
)

// nothingHere refuses an address that leads nowhere.
func (s *Server) nothingHere(w http.ResponseWriter, r *http.Request) {
	if isProtocol(r.URL.Path) {
		errNoEndpoint.writeJSON(w)
		return
	}
	s.answer(errNothingHere).ServeHTTP(w, r)
}

// answer returns the handler that refuses with why.
func (s *Server) answer(why refusal) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isProtocol(r.URL.Path) {
			why.writeJSON(w)
			return
		}
		s.pages.Problem(w, r, web.Problem{Status: why.status, Title: why.title, Msg: why.msg})
	})
}

func (e refusal) writeJSON(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Action      string `json:"action,omitempty"`
	}{e.code, e.msg, e.action})
}

// wrongMethod refuses with 405 and says which methods would do (RFC 9110 §15.5.6).
func wrongMethod(router *mux.Router, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			trial := *r
			trial.Method = method
			var match mux.RouteMatch
			if router.Match(&trial, &match) && match.MatchErr == nil {
				allowed = append(allowed, method)
			}
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		next.ServeHTTP(w, r)
	})
}
