package simulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// rotations are the policies that the server knows itself.
var rotations = map[Policy]identity.Rotation{Ours: identity.RotateForking, Strict: identity.RotateStrict}

// databases prepares as many databases as there are shards: each its own SQLite file, since a file has one writer, or all
// of them the same PostgreSQL.
func (s *site) databases(ctx context.Context, shards int) ([]string, error) {
	dsns := make([]string, shards)
	if s.dsn != "" {
		for i := range dsns {
			dsns[i] = s.dsn
		}
		return dsns, s.prepare(ctx, s.dsn)
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "sojourn-simulation-"); err != nil {
		return nil, err
	}
	for i := range dsns {
		dsns[i] = "sqlite:" + filepath.Join(s.dir, fmt.Sprintf("%d.db", i))
		if err := s.prepare(ctx, dsns[i]); err != nil {
			return nil, errors.Join(err, s.remove())
		}
	}
	return dsns, nil
}

// remove deletes what was made for this simulation alone.
func (s *site) remove() error {
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// prepare migrates a database and adds the phones' client. It refuses one that somebody lives in.
func (s *site) prepare(ctx context.Context, dsn string) (err error) {
	db, err := storage.Open(ctx, dsn, storage.Options{Keys: s.keys, MaxConns: 1, Volatile: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.Count(ctx)
	if err != nil {
		return err
	}
	for table, n := range rows { // before anything is written
		if n > 0 {
			return fmt.Errorf("--database: this database is in use (%s has %d rows); a simulation wants an empty one of its own", table, n)
		}
	}
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return db.CreateClient(ctx, identity.Client{
		ID: clientID, Trusted: true, CreatedAt: epoch, FirstUsedAt: epoch,
		Metadata: identity.Metadata{
			Name: "Simulated phone", AuthMethod: "none", ApplicationType: "native", RedirectURIs: []string{redirectURI},
			GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
			Scope: "openid offline_access", IDTokenAlg: "ES256", Rotation: rotations[s.policy],
		},
	})
}
