package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
)

const mergePatch = "application/merge-patch+json" // RFC 7396 §4

var (
	errStateKey   = say(invalidRequest, "Call a document by 1 to 64 letters, digits, dots, underscores and hyphens.")
	errStale      = say(preconditionFailed, "There is no such document.")
	errNoState    = identity.Refuse(identity.NotFound, "There is no such document.")
	errLargeState = say(bodyTooLarge, "A document may have 16,384 bytes.")
)

// stateEntry is a document in the list.
type stateEntry struct {
	Key       string `json:"key"`
	ETag      string `json:"etag"`
	UpdatedAt int64  `json:"updated_at"`
	Size      int    `json:"size"`
}

// listStates serves GET /me/state.
func (e *Endpoints) listStates(w http.ResponseWriter, r *http.Request, c caller) error {
	all, err := e.store.States(r.Context(), c.live.User.ID, c.token.ClientID)
	if err != nil {
		return err
	}
	list := make([]stateEntry, len(all))
	for i, s := range all {
		list[i] = stateEntry{s.Key, s.ETag(), s.UpdatedAt.Unix(), len(s.Value)}
	}
	e.writeJSON(w, http.StatusOK, struct {
		Documents []stateEntry `json:"documents"`
	}{list})
	return nil
}

// state serves /me/state/{key}: one document of the app's about the person.
func (e *Endpoints) state(w http.ResponseWriter, r *http.Request, c caller) error {
	at := identity.StateKey{UserID: c.live.User.ID, ClientID: c.token.ClientID, Key: path.Base(r.URL.Path)}
	if !identity.StateKeyOK(at.Key) {
		return errStateKey
	}
	if r.Method == http.MethodGet {
		return e.readState(w, r, at)
	}
	condition, err := readCondition(r.Header)
	if err != nil {
		return err
	}
	s, made, err := e.writeState(w, r, at, condition)
	switch {
	case errors.Is(err, identity.ErrStale) && s.Exists():
		e.writeDocument(w, http.StatusPreconditionFailed, s) // RFC 9110 §13.1.1; the value saves the app a read
		return nil
	case errors.Is(err, identity.ErrStale):
		return errStale
	case errors.Is(err, identity.ErrStateTooLarge):
		return errLargeState
	case err != nil:
		return err
	}
	e.wroteState(w, r, s, made)
	return nil
}

func (e *Endpoints) readState(w http.ResponseWriter, r *http.Request, at identity.StateKey) error {
	s, err := e.store.StateOf(r.Context(), at)
	if err != nil {
		return err
	}
	if !s.Exists() {
		return errNoState
	}
	known := tags(r.Header, "If-None-Match")
	if slices.ContainsFunc(known, func(tag string) bool { return tag == "*" || strings.TrimPrefix(tag, "W/") == s.ETag() }) {
		w.Header().Set("ETag", s.ETag())
		w.Header().Set("Cache-Control", "no-store") // by others: what the app keeps is its own
		w.WriteHeader(http.StatusNotModified)       // RFC 9110 §13.1.2
		return nil
	}
	e.writeDocument(w, http.StatusOK, s)
	return nil
}

// writeState does what the method says. made: the document was not there before.
func (e *Endpoints) writeState(w http.ResponseWriter, r *http.Request, at identity.StateKey, c identity.Condition) (
	s identity.State, made bool, err error,
) {
	if r.Method == http.MethodDelete {
		s, err = e.o.States.Delete(r.Context(), at, c)
		return s, false, err
	}
	kind := "application/json"
	if r.Method == http.MethodPatch {
		w.Header().Set("Accept-Patch", mergePatch) // RFC 5789 §3.1
		kind = mergePatch
	}
	value, err := readDocument(w, r, kind)
	if err != nil {
		return s, false, err
	}
	if r.Method == http.MethodPatch {
		return e.o.States.Patch(r.Context(), at, value, c)
	}
	return e.o.States.Put(r.Context(), at, value, c)
}

// wroteState answers a write that was done.
func (e *Endpoints) wroteState(w http.ResponseWriter, r *http.Request, s identity.State, made bool) {
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	if r.Method == http.MethodPatch {
		e.writeDocument(w, status, s) // the app does not know what came out
		return
	}
	if !s.Deleted {
		w.Header().Set("ETag", s.ETag())
	}
	if status == http.StatusOK {
		status = http.StatusNoContent
	}
	e.unkept(w, "application/json")
	w.WriteHeader(status)
}

func (e *Endpoints) writeDocument(w http.ResponseWriter, status int, s identity.State) {
	e.unkept(w, "application/json")
	w.Header().Set("ETag", s.ETag())
	w.WriteHeader(status)
	_, _ = io.WriteString(w, s.Value)
}

// readDocument reads a body of a media type that holds one JSON value.
func readDocument(w http.ResponseWriter, r *http.Request, want string) (string, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != want {
		return "", sayf(unsupportedMedia, "Send the document as %s.", want)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, identity.MaxState))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", errLargeState
	}
	if err != nil {
		return "", say(invalidRequest, "The body ended too early.")
	}
	return identity.CleanJSON(body)
}

// readCondition reads If-Match and If-None-Match (RFC 9110 §13.1). A weak tag in If-Match matches nothing: ours are strong.
func readCondition(h http.Header) (c identity.Condition, err error) {
	c.Match = tags(h, "If-Match")
	switch none := tags(h, "If-None-Match"); {
	case len(none) == 1 && none[0] == "*":
		c.Absent = true
	case none != nil:
		return c, say(invalidRequest, "If-None-Match of a write may only be *.")
	}
	return c, nil
}

// tags are the entity tags of a header; nil without one. Ours hold no comma.
func tags(h http.Header, name string) []string {
	var all []string
	for _, line := range h.Values(name) {
		for tag := range strings.SplitSeq(line, ",") {
			all = append(all, strings.TrimSpace(tag))
		}
	}
	return all
}
