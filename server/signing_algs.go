package server

import (
	"context"
	"strings"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// SigningKeys are the keys of a database, of the algorithms that the settings publish.
func SigningKeys(db *storage.DB, cfg config.Config) identity.SigningKeys {
	return identity.SigningKeys{Store: db, Now: db.Now, Algs: cfg.SigningAlgs}
}

const (
	clientsAtOnce = 1000
	clientsNamed  = 10
)

// warnOfAlgs names clients that registered an algorithm which is published no more: they get RS256, and one that insists on what
// it registered takes no ID token. Clients are looked through only where such an algorithm has been published before.
func (s *Server) warnOfAlgs(ctx context.Context) error {
	keys := SigningKeys(s.db, s.cfg)
	gone, err := keys.Withdrawn(ctx)
	if err != nil || len(gone) == 0 {
		return err
	}
	named, query := []string{}, identity.ClientQuery{Limit: clientsAtOnce}
	for more := true; more && len(named) < clientsNamed; {
		page, err := s.db.Clients(ctx, query)
		if err != nil {
			return err
		}
		for _, c := range page {
			if query.After = c.ID; c.CheckAlgs(keys.Published()) != nil {
				named = append(named, c.ID)
			}
		}
		more = len(page) == clientsAtOnce
	}
	if len(named) > 0 {
		more := len(named) > clientsNamed
		s.log.Warn("clients registered an algorithm that is not published any more; what they get is signed with RS256: "+
			"sojourn client update changes it",
			"algs", strings.Join(gone, ","),
			"clients", strings.Join(named[:min(len(named), clientsNamed)], ","), "more", more)
	}
	return nil
}
