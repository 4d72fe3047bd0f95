package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/templates"
)

// routes mounts the surfaces on one router.
func (s *Server) routes() *mux.Router {
	s.router = mux.NewRouter()
	s.router.Use(noteRoute)
	s.protocol.Routes(s.router)
	s.pages.Routes(s.router)
	if s.logo.image != nil {
		s.router.HandleFunc(logoPath, s.logo.serve).Methods(http.MethodGet)
	}
	s.router.NotFoundHandler = http.HandlerFunc(s.nothingHere)
	s.router.MethodNotAllowedHandler = wrongMethod(s.router, s.answer(errWrongMethod))
	return s.router
}

// wrap puts around the router what is true of every request, in the order in which a request meets it.
func (s *Server) wrap(router http.Handler) (http.Handler, error) {
	foreign, err := ownForms(s.cfg.Issuer, s.answer(errForeignForm))
	if err != nil {
		return nil, err
	}
	return layered(router,
		realAddress(s.cfg.TrustedProxies),
		observe(s.log, s.metrics),
		headers(s.secure(), s.logo.origin),
		recovered(s.log, s.answer(errFault)),
		cors,
		limitBody(s.answer(errTooLarge)),
		foreign,
		headAsGet,
		s.deadline,
	), nil
}

// Admin serves what the operator's machinery asks: /healthz (the process answers), /readyz (it can do its work), /metrics,
// and the management API under /api/. It belongs on a listener that strangers can't reach; the API asks for a token.
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metrics.handler())
	api, desk := s.adminAPI(), s.desk()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch { // their own routers clean no path
		case strings.HasPrefix(path, admin.Prefix):
			api.ServeHTTP(w, r)
		case path == "/" || path == "/desk" || strings.HasPrefix(path, admin.DeskPrefix) || strings.HasPrefix(path, "/static/"):
			desk.ServeHTTP(w, r)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// desk is the operators' desk, with what is true of every request around it.
func (s *Server) desk() http.Handler {
	desk := admin.NewDesk(admin.DeskOptions{
		Options: s.adminOptions(), Rows: s.db, Numbers: s.db.Lists(), Calendar: s.db.Calendar(), Desk: identity.Desk{Store: s.db, Keys: s.keys, Now: s.db.Now},
		Settings: s.cfg.String(), URL: s.cfg.AdminURL, DeskAt: s.cfg.DeskAt,
		Operator: templates.Operator{Name: s.cfg.OperatorName}, Place: s.places.place, RuleReason: s.watch.Reason,
	})
	refusing := func(why refusal) http.Handler { return desk.Refusal(why.status, why.msg) }
	router := mux.NewRouter().UseEncodedPath().SkipClean(true)
	router.Use(noteRoute)
	desk.Routes(router)
	router.NotFoundHandler = refusing(errNothingHere)
	router.MethodNotAllowedHandler = wrongMethod(router, refusing(errWrongMethod))
	guard := http.NewCrossOriginProtection()
	if s.cfg.AdminURL != "" { // a proxy may change the Host header that the guard compares with
		_ = guard.AddTrustedOrigin(s.cfg.AdminURL) // fails on what Validate refuses
	}
	guard.SetDenyHandler(refusing(errForeignForm))
	return layered(router,
		realAddress(s.cfg.TrustedProxies),
		observe(s.log, s.metrics),
		headers(strings.HasPrefix(s.cfg.AdminURL, "https://"), ""),
		recovered(s.log, refusing(errFault)),
		limitBody(refusing(errTooLarge)),
		guard.Handler,
		headAsGet,
		s.deadline,
	)
}

// adminOptions are what API and desk share.
func (s *Server) adminOptions() admin.Options {
	return admin.Options{
		Store: s.db, Lists: s.db.Lists(), Log: s.log,
		Operators:   Operators(s.db, s.cfg),
		Offices:     identity.Offices{Store: s.db, Now: s.db.Now},
		SigningKeys: SigningKeys(s.db, s.cfg),
		Tokens:      identity.AdminTokens{Store: s.db, Now: s.db.Now},
		Webhooks:    Webhooks(s.db, s.cfg.Loopback()),
		TOTP:        mfa.TOTP{Store: s.db, Keys: s.keys, Now: s.db.Now},
		Links:       identity.MailLinks{Store: s.db, Keys: s.keys, Now: s.db.Now},
		Keys:        s.keys,
		Issuer:      s.cfg.Issuer,
	}
}

// adminAPI is the management API, with what is true of every request around it.
func (s *Server) adminAPI() http.Handler {
	api := admin.New(s.adminOptions())
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
		s.deadline,
	)
}

// layered puts layers around a handler; the first one meets a request first.
func layered(h http.Handler, layers ...func(http.Handler) http.Handler) http.Handler {
	for _, layer := range slices.Backward(layers) {
		h = layer(h)
	}
	return h
}

// probeTimeout bounds a readiness check: one that hangs is a no.
const probeTimeout = 2 * time.Second

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
	defer cancel()
	if why := s.unready(ctx); why != (unready{}) {
		http.Error(w, why.said, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// unready is why no request should come to a server, in a word for /metrics and in a sentence. Errors go to the log.
type unready struct{ reason, said string }

var (
	isLeaving  = unready{"leaving", "shutting down"}
	isAlone    = unready{"database", "the database does not answer"}
	isReadOnly = unready{"read_only", "the database takes no writes"}
	isTimeless = unready{"clock", "the clock can't be measured against the database's"}
	isBehind   = unready{"schema", "the schema is behind: run sojourn migrate"}
	unreadies  = []unready{isLeaving, isAlone, isReadOnly, isTimeless, isBehind}
)

// unready returns why no request should come here now; nothing where one may.
func (s *Server) unready(ctx context.Context) unready {
	if s.leaving.Load() {
		return isLeaving
	}
	err := s.db.Ping(ctx)
	if err != nil && !errors.Is(err, storage.ErrReadOnly) {
		s.log.WarnContext(ctx, "not ready", "error", err)
		return isAlone
	}
	if err == nil {
		err = s.writable(ctx)
	}
	if err != nil {
		s.log.WarnContext(ctx, "not ready", "error", err)
		return isReadOnly
	}
	// A clock that differs from the other replicas' makes codes and sessions end too early or too late.
	if err := s.db.Clock().Healthy(); err != nil {
		s.log.WarnContext(ctx, "not ready", "error", err)
		return isTimeless
	}
	// Ahead is fine here: a newer replica migrated while this one still serves.
	current, target, err := s.db.Pending(ctx)
	if err != nil || current < target {
		s.log.WarnContext(ctx, "not ready", "error", err, "schema", current, "needed", target)
		return isBehind
	}
	return unready{}
}

// writeEvery is for how long a write that worked vouches for the next.
const writeEvery = 3 * time.Second

// writable asks whether a write works, unless one did a moment ago.
func (s *Server) writable(ctx context.Context) error {
	if time.Since(time.UnixMilli(s.wrote.Load())) < writeEvery {
		return nil
	}
	err := s.db.Writable(ctx)
	if err == nil {
		s.wrote.Store(time.Now().UnixMilli())
	}
	return err
}
