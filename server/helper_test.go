package server

import (
	"log/slog"
	"testing"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// assembled returns a server on db with a few settings of the test's own.
func assembled(t *testing.T, db *storage.DB, settings map[string]string) *Server {
	t.Helper()
	all := map[string]string{
		"secret": "c29qb3VybiB0ZXN0cyBrZWVwIG5vIHNlY3JldHMhISE=", "listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0",
	}
	for name, value := range settings {
		all[name] = value
	}
	cfg, err := config.Load(config.Options{Flags: all})
	if err != nil {
		t.Fatal(err)
	}
	cfg.PasswordCost = config.HashCost(storagetest.CheapHash)
	storagetest.AddSigningKeys(t, db, identity.KeyCurrent, identity.KeyNext)
	s, err := New(t.Context(), cfg, db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
