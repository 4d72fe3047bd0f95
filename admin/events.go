package admin

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
)

// eventList answers GET /api/events: what happened, the newest first.
func (a *API) eventList(r *http.Request) (any, error) {
	q := queryOf(r, "user", "session", "limit", "after")
	asked := identity.EventQuery{UserID: q.id("user"), SessionID: q.id("session"), After: q.id("after"), Limit: q.limit()}
	if q.err != nil {
		return nil, q.err
	}
	limit := asked.Limit
	asked.Limit++
	all, err := a.o.Store.Events(r.Context(), asked)
	events, next := cut(all, limit, func(one identity.Event) (Event, string) { return NewEvent(one), one.ID.String() })
	return struct {
		Events []Event `json:"events"`
		Next   string  `json:"next,omitempty"`
	}{events, next}, err
}
