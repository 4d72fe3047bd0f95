package admin

import (
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Key is a signing key as operators see it: never its private half.
type Key struct {
	ID        string            `json:"kid"`
	Alg       string            `json:"alg"`
	State     identity.KeyState `json:"state"`
	CreatedAt time.Time         `json:"created_at"`
	Activated time.Time         `json:"activated_at,omitzero"`
	Retired   time.Time         `json:"retired_at,omitzero"`
}

// KeyList is all of them.
type KeyList struct {
	Keys []Key `json:"keys"`
}

func newKey(k identity.SigningKey) Key {
	return Key{k.ID, k.Alg, k.State, k.CreatedAt, k.ActivatedAt, k.RetiredAt}
}

// NewKeyList shows keys.
func NewKeyList(all []identity.SigningKey) KeyList {
	list := make([]Key, len(all))
	for i, k := range all {
		list[i] = newKey(k)
	}
	return KeyList{list}
}

// keyList answers GET /api/keys: those that sign, that will, and that did.
func (a *API) keyList(r *http.Request) (any, error) {
	if q := queryOf(r); q.err != nil {
		return nil, q.err
	}
	return a.keys(r)
}

func (a *API) keys(r *http.Request) (any, error) {
	all, err := a.o.SigningKeys.All(r.Context())
	return NewKeyList(all), err
}

// keyRotate answers POST /api/keys/rotate.
func (a *API) keyRotate(r *http.Request) (any, error) {
	var body struct {
		Alg     string `json:"alg"`
		Current string `json:"current"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if err := a.o.SigningKeys.RotateSeen(r.Context(), body.Alg, body.Current); err != nil {
		return nil, err
	}
	return a.keys(r)
}

// keyRemove answers POST /api/keys/{id}/remove: for a key that leaked.
func (a *API) keyRemove(r *http.Request) (any, error) {
	var body why
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if err := a.o.SigningKeys.Remove(r.Context(), named(r), body.Reason); err != nil {
		return nil, err
	}
	return a.keys(r)
}
