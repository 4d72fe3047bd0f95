// Package notes is a small API on sdk/go/resource: the notes of the person whose token it is. It shows what an API adds to its
// handlers, one line for each operation, and nothing else: what an operation needs stands where it is routed, and the handler
// knows who calls.
//
// Its one rule: a person's notes are reached by the subject of a token that was judged, never by anything a caller says.
//
//	GET    /notes        notes.read
//	PUT    /notes/{id}   notes.write    {"text": "…"}; the id is the app's, so that a repeated answer makes no second note
//	DELETE /notes/{id}   notes.write
//	DELETE /notes        notes.write, and a second factor shown within five minutes (RFC 9470)
//
// They are in memory, and gone with the process.
package notes

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

// What an operation needs.
var (
	reading = resource.Operation{Scopes: []string{"notes.read"}}
	writing = resource.Operation{Scopes: []string{"notes.write"}}
	erasing = resource.Operation{Scopes: []string{"notes.write"}, ACR: "mfa", MaxAge: 5 * time.Minute}
)

// Scopes are all scopes that some operation needs.
var Scopes = []string{"notes.read", "notes.write"}

// The bounds of what is kept.
const (
	maxPeople = 10_000
	maxNotes  = 200      // of a person
	maxText   = 4 << 10  // bytes
	maxBody   = 16 << 10 // of a request: a text may be written with escapes
	maxID     = 64
)

// Note is one note.
type Note struct {
	ID      string    `json:"id"`
	Text    string    `json:"text"`
	Changed time.Time `json:"changed"`
}

// api keeps everybody's notes, by subject.
type api struct {
	mu   sync.Mutex
	kept map[string]map[string]Note
}

// New returns the API behind a guard, with its metadata (RFC 9728).
func New(guard *resource.Guard) http.Handler {
	a := &api{kept: map[string]map[string]Note{}}
	mux := http.NewServeMux()
	mux.Handle("GET /notes", guard.Require(reading, http.HandlerFunc(a.list)))
	mux.Handle("PUT /notes/{id}", guard.Require(writing, http.HandlerFunc(a.put)))
	mux.Handle("DELETE /notes/{id}", guard.Require(writing, http.HandlerFunc(a.remove)))
	mux.Handle("DELETE /notes", guard.Require(erasing, http.HandlerFunc(a.erase)))
	mux.Handle("GET /.well-known/oauth-protected-resource", guard.Metadata())
	return mux
}

// list answers with the caller's notes, the newest first.
func (a *api) list(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	all := slices.Collect(maps.Values(a.kept[caller(r)]))
	a.mu.Unlock()
	slices.SortFunc(all, func(x, y Note) int { return cmp.Or(y.Changed.Compare(x.Changed), cmp.Compare(x.ID, y.ID)) })
	say(w, http.StatusOK, map[string]any{"notes": append([]Note{}, all...)})
}

// put writes one of the caller's notes.
func (a *api) put(w http.ResponseWriter, r *http.Request) {
	var said struct {
		Text string `json:"text"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || len(r.PathValue("id")) > maxID {
		refuse(w, http.StatusRequestEntityTooLarge, "A note has at most 4,096 bytes, and its id 64.")
		return
	}
	if json.Unmarshal(body, &said) != nil || said.Text == "" || len(said.Text) > maxText || !utf8.ValidString(said.Text) {
		refuse(w, http.StatusBadRequest, `Send {"text": "…"} with 1 to 4,096 bytes of text.`)
		return
	}
	note := Note{r.PathValue("id"), said.Text, time.Now().UTC()}
	if !a.keep(caller(r), note) {
		refuse(w, http.StatusInsufficientStorage, "There is no room for another note.")
		return
	}
	say(w, http.StatusOK, note)
}

// keep keeps a note, if there is room.
func (a *api) keep(owner string, note Note) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	mine := a.kept[owner]
	if mine == nil {
		if len(a.kept) >= maxPeople {
			return false
		}
		mine = map[string]Note{}
		a.kept[owner] = mine
	}
	if _, there := mine[note.ID]; !there && len(mine) >= maxNotes {
		return false
	}
	mine[note.ID] = note
	return true
}

// remove deletes one of the caller's notes, if it is there.
func (a *api) remove(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.kept[caller(r)], r.PathValue("id"))
	if len(a.kept[caller(r)]) == 0 {
		delete(a.kept, caller(r))
	}
	w.WriteHeader(http.StatusNoContent)
}

// erase deletes all of the caller's notes.
func (a *api) erase(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.kept, caller(r))
	w.WriteHeader(http.StatusNoContent)
}

// caller is whose token it is.
func caller(r *http.Request) string { return resource.ClaimsOf(r.Context()).Subject }

func say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, text string) {
	say(w, status, map[string]string{"error": "invalid_request", "error_description": text})
}
