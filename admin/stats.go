package admin

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
)

// statsShow answers GET /api/stats: the numbers of some days.
func (a *API) statsShow(r *http.Request) (any, error) {
	q := queryOf(r, "from", "to", "client", "platform", "version")
	asked := q.stats()
	if q.err != nil {
		return nil, q.err
	}
	return a.o.Lists.Stats(r.Context(), asked)
}

// statsGroups answers GET /api/stats/groups: all, or one client, in parts.
func (a *API) statsGroups(r *http.Request) (any, error) {
	q := queryOf(r, "from", "to", "client", "by")
	asked := q.stats()
	if q.err != nil {
		return nil, q.err
	}
	return a.o.Lists.StatGroups(r.Context(), asked, identity.GroupBy(q.text("by")))
}

func (q *query) stats() identity.StatsQuery {
	return identity.StatsQuery{
		From: q.day("from"),
		To:   q.day("to"),
		Scope: identity.Scope{
			ClientID: q.text("client"),
			Platform: q.text("platform"),
			Version:  q.text("version"),
		},
	}
}

// day is the zero day where the parameter is absent.
func (q *query) day(name string) identity.Day {
	if q.text(name) == "" {
		return 0
	}
	day, err := identity.ReadDay(q.text(name))
	if err != nil {
		q.refuse(name, "Send a day like 2026-11-28.")
	}
	return day
}
