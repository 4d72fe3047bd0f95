package server

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

// adminAPI is the management API, with what is true of every request around it.
func (s *Server) adminAPI() http.Handler {
	api := admin.New(admin.Options{
		Store: s.db, Log: s.log,
		Operators: identity.Operators{Store: s.db, Now: s.db.Now},
		Tokens:    identity.AdminTokens{Store: s.db, Now: s.db.Now},
	})
	refusing := func(why refusal) http.Handler { return api.Refusal(why.status, why.msg) }
	router := mux.NewRouter().UseEncodedPath().SkipClean(true) // a client's id may hold slashes
	router.Use(noteRoute)
	api.Routes(router)
	router.NotFoundHandler = refusing(errNoOperation)
	router.MethodNotAllowedHandler = wrongMethod(router, refusing(errWrongMethod))
	// No cookie opens the API, so a browser can be made to do nothing here; one that tries is told so.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(refusing(errForeignRequest))
	return layered(router,
		realAddress(s.cfg.TrustedProxies),
		observe(s.log, s.metrics),
		headers(false, ""),
		recovered(s.log, refusing(errFault)),
		limitBody(refusing(errTooLarge)),
		guard.Handler,
		deadline,
	)
}
