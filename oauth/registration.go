package oauth

import (
	"context"
	"net/http"
	"path"

	"github.com/sojourn-auth/sojourn/identity"
)

// errManagement is the one answer to a wrong token and to a client that does not exist, or that the operator added:
// nothing is said about which (RFC 7592 §2.1).
var errManagement = identity.Refuse(identity.BadLogin,
	"Send the registration_access_token of this client as Authorization: Bearer.")

// registration serves GET, PUT and DELETE of /oauth2/register/{id} (RFC 7592 §2).
func (e *Endpoints) registration(w http.ResponseWriter, r *http.Request) {
	answer, err := e.manage(w, r)
	switch {
	case err != nil:
		e.refuse(w, r, atRegister, byMember(err))
	case answer.ClientID == "":
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	default:
		e.writeJSON(w, http.StatusOK, answer)
	}
}

func (e *Endpoints) manage(w http.ResponseWriter, r *http.Request) (registered, error) {
	switch r.Method {
	case http.MethodGet, http.MethodPut, http.MethodDelete:
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE, OPTIONS")
		return registered{}, sayf(errMethod, "Use GET, PUT or DELETE.")
	}
	token := bearerOf(r)
	c, err := e.managedBy(r.Context(), path.Base(r.URL.Path), token)
	if err != nil {
		return registered{}, err
	}
	switch r.Method {
	case http.MethodPut:
		return e.update(w, r, c)
	case http.MethodDelete:
		return registered{}, e.remove(r, c)
	default:
		return e.informationOf(c, "", token), nil
	}
}

// managedBy returns a client whose registration access token is presented. The newest one's first use forgets the one
// before; until then both are good, so that a lost answer to an update locks nobody out. It reads in a transaction, past
// the cache: a token that another replica gave out a moment ago is good here.
func (e *Endpoints) managedBy(ctx context.Context, id, token string) (c identity.Client, err error) {
	err = e.store.InTx(ctx, func(ctx context.Context) error {
		if c, err = e.clientByID(ctx, id); err != nil && identity.KindOf(err) != identity.NotFound {
			return err
		}
		ok, newest := c.ManagedBy(token)
		switch {
		case !ok:
			return errManagement
		case newest && len(c.PreviousHash) > 0:
			return e.store.ConfirmRegistrationToken(ctx, c.ID, c.RegistrationHash)
		}
		return nil
	})
	return c, err
}

// update replaces all of a client's metadata (RFC 7592 §2.2) and rotates its registration access token. The token that
// was presented stays good until the new one is used.
func (e *Endpoints) update(w http.ResponseWriter, r *http.Request, c identity.Client) (registered, error) {
	asked, err := readRegistration(w, r)
	if err != nil {
		return registered{}, err
	}
	if asked.credentials.ClientID != c.ID {
		return registered{}, identity.RefuseField("client_id", "Send the client_id of this client: an update repeats it.")
	}
	if secret := asked.credentials.Secret; secret != "" && !e.secretMatches(secret, c) {
		return registered{}, identity.RefuseField("client_secret", "Send the current one, or leave it out: it cannot be chosen.")
	}
	if c.Metadata, err = identity.CleanRegistration(asked.Metadata); err != nil {
		return registered{}, err
	}
	access, hash := identity.NewManagementToken()
	c.RegistrationHash, c.PreviousHash = hash, identity.HashToken(bearerOf(r))
	secret := e.settleSecret(&c)
	return e.informationOf(c, secret, access), e.store.InTx(r.Context(), func(ctx context.Context) error {
		if err := e.store.UpdateClient(ctx, c); err != nil {
			return err
		}
		return e.store.AddEvent(ctx, e.clientEvent(r, identity.ClientUpdated, c.ID))
	})
}

// remove deletes a client: its Sessions end with it (RFC 7592 §2.3).
func (e *Endpoints) remove(r *http.Request, c identity.Client) error {
	return e.store.InTx(r.Context(), func(ctx context.Context) error {
		if err := e.store.DeleteClient(ctx, c.ID); err != nil {
			return err
		}
		return e.store.AddEvent(ctx, e.clientEvent(r, identity.ClientDeleted, c.ID))
	})
}
