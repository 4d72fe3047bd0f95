package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sojourn-auth/sojourn/identity"
)

// userList answers GET /api/users: one person by the address, or everyone, the newest first.
func (a *API) userList(r *http.Request) (any, error) {
	q := queryOf(r, "email", "limit", "after")
	asked := identity.AccountQuery{Email: q.email("email"), After: q.id("after"), Limit: q.limit()}
	if q.err != nil {
		return nil, q.err
	}
	limit := asked.Limit
	asked.Limit++
	all, err := a.o.Lists.Accounts(r.Context(), asked)
	users, next := cut(all, limit, func(one identity.Account) (User, string) { return NewUser(one), one.ID.String() })
	return struct {
		Users []User `json:"users"`
		Next  string `json:"next,omitempty"`
	}{users, next}, err
}

func (a *API) userShow(r *http.Request) (any, error) {
	id, err := userIn(r)
	if err != nil {
		return nil, err
	}
	return a.user(r.Context(), id)
}

func (a *API) user(ctx context.Context, id identity.ID) (User, error) {
	account, err := a.o.Store.AccountByID(ctx, id)
	return NewUser(account), err
}

// userDescribe answers PATCH /api/users/{id}: what claims are made of, as a merge patch (RFC 7396). An attribute that is null
// goes, one that is left out stays; a list of groups takes the place of the one before.
func (a *API) userDescribe(r *http.Request) (any, error) {
	var patch struct {
		Attributes map[string]any `json:"attributes"`
		Groups     *[]string      `json:"groups"`
	}
	id, err := reasoned(r, &patch)
	if err != nil {
		return nil, err
	}
	if patch.Attributes == nil && patch.Groups == nil {
		return nil, identity.RefuseField("attributes", "Send attributes, groups, or both.")
	}
	_, err = a.o.Operators.Describe(r.Context(), id, func(d identity.Described) identity.Described {
		d = d.Patched(patch.Attributes)
		if patch.Groups != nil {
			d.Groups = *patch.Groups
		}
		return d
	})
	if err != nil {
		return nil, err
	}
	return a.user(r.Context(), id)
}

// changedUser is a person after a change, and whether it was one.
type changedUser struct {
	Changed bool `json:"changed"`
	User
}

func (a *API) userLock(r *http.Request) (any, error) { return a.changeUser(r, a.o.Operators.Lock) }

func (a *API) userUnlock(r *http.Request) (any, error) { return a.changeUser(r, a.o.Operators.Unlock) }

func (a *API) changeUser(r *http.Request, change func(context.Context, identity.ID) (bool, error)) (any, error) {
	id, err := userIn(r)
	if err != nil {
		return nil, err
	}
	changed, err := change(r.Context(), id)
	if err != nil {
		return nil, err
	}
	user, err := a.user(r.Context(), id)
	return changedUser{changed, user}, err
}

// SignedOut is what ended with all that a person had.
type SignedOut struct {
	Ended int  `json:"sessions_ended"`
	More  bool `json:"more,omitempty"` // there are over a thousand: refused from now on, told of within minutes
}

// NewSignedOut shows an ending of all that a person had.
func NewSignedOut(struck identity.Struck) SignedOut {
	return SignedOut{len(struck.Sessions), struck.More}
}

func (a *API) userEndSessions(r *http.Request) (any, error) {
	id, err := userIn(r)
	if err != nil {
		return nil, err
	}
	struck, err := a.o.Operators.EndAll(r.Context(), id)
	return NewSignedOut(struck), err
}

func (a *API) userDelete(r *http.Request) (any, error) {
	id, err := userIn(r)
	if err != nil {
		return nil, err
	}
	return nil, a.o.Operators.DeleteUser(r.Context(), id)
}

// PersonRecord is one record of what is kept of a person.
type PersonRecord struct {
	Kind   string         `json:"kind"`
	Record map[string]any `json:"record"`
}

// userExport answers GET /api/users/{id}/export: everything that is kept of a person, a record a line. It shows what no page of the desk
// does, as what apps wrote about them, so that support's tokens take nothing along of people who have a role there.
func (a *API) userExport(r *http.Request) (any, error) {
	id, err := userIn(r)
	if err != nil {
		return nil, err
	}
	if _, err := a.o.Store.AccountByID(r.Context(), id); err != nil {
		return nil, err
	}
	if err := a.spare(r, id); err != nil {
		return nil, err
	}
	return lines(func(each func(any) error) error {
		return a.o.Store.ExportPerson(r.Context(), id, func(kind string, record map[string]any) error {
			return each(PersonRecord{kind, record})
		})
	}), nil
}

// reasoned reads whom an operator acts for, and into body what they say.
func reasoned(r *http.Request, body any) (identity.ID, error) {
	id, err := userIn(r)
	if err != nil {
		return id, err
	}
	return id, readBody(r, body)
}

// why is the body of what an operator does in a person's stead.
type why struct {
	Reason string `json:"reason"`
}

func (a *API) userRemoveFactor(r *http.Request) (any, error) {
	var body why
	id, err := reasoned(r, &body)
	if err != nil {
		return nil, err
	}
	if err := a.o.TOTP.RemoveFor(r.Context(), a.o.Operators, id, body.Reason); err != nil {
		return nil, err
	}
	return a.user(r.Context(), id)
}

func (a *API) userWayIn(r *http.Request) (any, error) {
	var body why
	id, err := reasoned(r, &body)
	if err != nil {
		return nil, err
	}
	way, err := a.o.Operators.MakeWayIn(r.Context(), a.o.Links, id, body.Reason)
	way.Link = ResetAddress(a.o.Issuer, way.Link)
	return way, err
}

func (a *API) userSetEmail(r *http.Request) (any, error) {
	var body struct {
		why
		NewEmail string `json:"new_email"`
	}
	id, err := reasoned(r, &body)
	if err != nil {
		return nil, err
	}
	if err := a.o.Operators.SetEmail(r.Context(), id, body.NewEmail, body.Reason); err != nil {
		return nil, err
	}
	return a.user(r.Context(), id)
}

func (a *API) userConfirmEmail(r *http.Request) (any, error) {
	var body why
	if _, err := reasoned(r, &body); err != nil {
		return nil, err
	}
	return a.changeUser(r, func(ctx context.Context, id identity.ID) (bool, error) {
		return a.o.Operators.ConfirmEmail(ctx, id, body.Reason)
	})
}

func (a *API) userSendReset(r *http.Request) (any, error) {
	return nil, a.mailed(r, "send-reset", a.o.Operators.SendReset)
}

func (a *API) userSendConfirm(r *http.Request) (any, error) {
	return nil, a.mailed(r, "send-confirmation", a.o.Operators.SendConfirm)
}

// mailed has a mail sent to a person, for a reason.
func (a *API) mailed(r *http.Request, what string, send func(context.Context, identity.ID) error) error {
	var body why
	id, err := reasoned(r, &body)
	if err != nil {
		return err
	}
	act := identity.Act{What: what, Reason: body.Reason, UserID: id}
	return a.o.Operators.Because(r.Context(), act, func(ctx context.Context) error { return send(ctx, id) })
}

// ResetAddress is where a link to choose a new password leads.
func ResetAddress(issuer, link string) string {
	return issuer + "/reset?" + url.Values{"link": {link}}.Encode()
}

// userIn reads whom the address names, for the log too.
func userIn(r *http.Request) (identity.ID, error) {
	id, err := idOf(named(r), "user")
	identity.TrailOf(r.Context()).UserID = id
	return id, err
}
