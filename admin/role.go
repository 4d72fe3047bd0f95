package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Officer is a person who has a role at the desk, as operators see them.
type Officer struct {
	UserID identity.ID   `json:"user_id"`
	Email  string        `json:"email"`
	Role   identity.Role `json:"role"`
	Since  time.Time     `json:"since"`
}

// ChangedRole is the role of a person after a change, and whether it was one.
type ChangedRole struct {
	ID      identity.ID `json:"id"`
	Email   string      `json:"email"`
	Role    string      `json:"role"` // none for no role
	Changed bool        `json:"changed"`
}

// roleList answers GET /api/roles: who has a role.
func (a *API) roleList(r *http.Request) (any, error) {
	q := queryOf(r, "limit", "after")
	after, limit := q.id("after"), q.limit()
	if q.err != nil {
		return nil, q.err
	}
	all, err := a.o.Store.Officers(r.Context(), after, limit+1)
	roles, next := cut(all, limit, func(one identity.Officer) (Officer, string) {
		return Officer{one.User.ID, one.User.Email, one.Role, one.Since}, one.User.ID.String()
	})
	return struct {
		Roles []Officer `json:"roles"`
		Next  string    `json:"next,omitempty"`
	}{roles, next}, err
}

// userSetRole answers POST /api/users/{id}/set-role.
func (a *API) userSetRole(r *http.Request) (any, error) {
	var body struct {
		why
		Role string `json:"role"`
	}
	id, err := reasoned(r, &body)
	if err != nil {
		return nil, err
	}
	role, err := identity.ReadRole(body.Role)
	if err != nil {
		return nil, err
	}
	account, err := a.o.Store.AccountByID(r.Context(), id)
	if err != nil {
		return nil, err
	}
	done := ChangedRole{ID: id, Email: account.Email, Role: role.String()}
	act := identity.Act{What: "role " + role.String(), Reason: body.Reason, UserID: id}
	return &done, a.o.Operators.Because(r.Context(), act, func(ctx context.Context) error {
		done.Changed, err = a.o.Offices.Set(ctx, id, role)
		return err
	})
}
