package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestNew_namesTheClientsOfAnAlgorithmThatIsLeftOut(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		for id, alg := range map[string]string{"notes": "EdDSA", "lists": "ES256"} {
			c := identity.Client{ID: id, Metadata: identity.Metadata{IDTokenAlg: alg}}
			if err := db.CreateClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		for _, algs := range []string{"ES256,RS256,EdDSA", "ES256,RS256", "ES256,RS256"} {
			s, said := assembled(t, db, map[string]string{"signing_algs": algs}), bytes.Buffer{}
			s.log = slog.New(slog.NewTextHandler(&said, nil))
			if err := s.warnOfAlgs(t.Context()); err != nil {
				t.Fatal(err)
			}
			warned := strings.Contains(said.String(), "algs=EdDSA clients=notes more=false")
			if warned != (algs == "ES256,RS256") || !warned && said.Len() > 0 {
				t.Errorf("with %s it says %s", algs, said.String())
			}
		}
	})
}
