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
	errDocumentKey   = say(invalidRequest, "Call a document by 1 to 64 letters, digits, dots, underscores and hyphens.")
	errStale         = say(preconditionFailed, "There is no such document.")
	errNoDocument    = identity.Refuse(identity.NotFound, "There is no such document.")
	errLargeDocument = say(bodyTooLarge, "A document may have 16,384 bytes.")
)

// documentEntry is a document in the list.
type documentEntry struct {
	Key       string `json:"key"`
	ETag      string `json:"etag"`
	UpdatedAt int64  `json:"updated_at"`
	Size      int    `json:"size"`
}

// listDocuments serves GET /me/state.
func (e *Endpoints) listDocuments(w http.ResponseWriter, r *http.Request, c caller) error {
	all, err := e.store.Documents(r.Context(), c.live.User.ID, c.token.ClientID)
	if err != nil {
		return err
	}
	list := make([]documentEntry, len(all))
	for i, d := range all {
		list[i] = documentEntry{d.Key, d.ETag(), d.UpdatedAt.Unix(), len(d.Value)}
	}
	e.writeJSON(w, http.StatusOK, struct {
		Documents []documentEntry `json:"documents"`
	}{list})
	return nil
}

// document serves /me/state/{key}: one document of the app's about the person.
func (e *Endpoints) document(w http.ResponseWriter, r *http.Request, c caller) error {
	at := identity.DocumentKey{UserID: c.live.User.ID, ClientID: c.token.ClientID, Key: path.Base(r.URL.Path)}
	if !identity.DocumentKeyOK(at.Key) {
		return errDocumentKey
	}
	if r.Method == http.MethodGet {
		return e.getDocument(w, r, at)
	}
	if err := e.writes.take(c.live.Session.ID.String(), documentPace, e.o.Now()); err != nil {
		return err
	}
	condition, err := readCondition(r.Header)
	if err != nil {
		return err
	}
	d, made, err := e.changeDocument(w, r, at, condition)
	switch {
	case errors.Is(err, identity.ErrStale) && d.Exists():
		e.writeDocument(w, http.StatusPreconditionFailed, d) // RFC 9110 §13.1.1; the value saves the app a read
		return nil
	case errors.Is(err, identity.ErrStale):
		return errStale
	case errors.Is(err, identity.ErrDocumentTooLarge):
		return errLargeDocument
	case err != nil:
		return err
	}
	e.answerChange(w, r, d, made)
	return nil
}

func (e *Endpoints) getDocument(w http.ResponseWriter, r *http.Request, at identity.DocumentKey) error {
	d, err := e.store.Document(r.Context(), at)
	if err != nil {
		return err
	}
	if !d.Exists() {
		return errNoDocument
	}
	known := tags(r.Header, "If-None-Match")
	if slices.ContainsFunc(known, func(tag string) bool { return tag == "*" || strings.TrimPrefix(tag, "W/") == d.ETag() }) {
		w.Header().Set("ETag", d.ETag())
		w.Header().Set("Cache-Control", "no-store") // by others: what the app keeps is its own
		w.WriteHeader(http.StatusNotModified)       // RFC 9110 §13.1.2
		return nil
	}
	e.writeDocument(w, http.StatusOK, d)
	return nil
}

// changeDocument does what the method says. made: the document was not there before.
func (e *Endpoints) changeDocument(w http.ResponseWriter, r *http.Request, at identity.DocumentKey, c identity.Condition) (
	s identity.Document, made bool, err error,
) {
	if r.Method == http.MethodDelete {
		s, err = e.o.Documents.Delete(r.Context(), at, c)
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
		return e.o.Documents.Patch(r.Context(), at, value, c)
	}
	return e.o.Documents.Put(r.Context(), at, value, c)
}

// answerChange answers a write that was done.
func (e *Endpoints) answerChange(w http.ResponseWriter, r *http.Request, d identity.Document, made bool) {
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	if r.Method == http.MethodPatch {
		e.writeDocument(w, status, d) // the app does not know what came out
		return
	}
	if !d.Deleted {
		w.Header().Set("ETag", d.ETag())
	}
	if status == http.StatusOK {
		status = http.StatusNoContent
	}
	e.unkept(w, "application/json")
	w.WriteHeader(status)
}

func (e *Endpoints) writeDocument(w http.ResponseWriter, status int, d identity.Document) {
	e.unkept(w, "application/json")
	w.Header().Set("ETag", d.ETag())
	w.WriteHeader(status)
	_, _ = io.WriteString(w, d.Value)
}

// readDocument reads a body of a media type that holds one JSON value.
func readDocument(w http.ResponseWriter, r *http.Request, want string) (string, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != want {
		return "", sayf(unsupportedMedia, "Send the document as %s.", want)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, identity.MaxDocument))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", errLargeDocument
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
