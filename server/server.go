package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/anomaly"
	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/oauth"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/templates"
	"github.com/sojourn-auth/sojourn/web"
)

// Server is one assembled process: the public handler, the admin one, and what runs behind them.
type Server struct {
	cfg      config.Config
	db       *storage.DB
	keys     *identity.Keyring
	log      *slog.Logger
	metrics  *metrics
	counting *counting
	traces   *telemetry
	protocol *oauth.Endpoints
	clients  *oauth.ClientDocuments
	pages    *web.Pages
	router   *mux.Router
	handler  http.Handler
	logo     logo
	places   *places
	watch    *anomaly.Watch // nil: nobody looks for anomalies
	postman  *postman       // nil: no mail is sent
	herald   *herald
	ports    ports
	own      *certificate // nil: the listener speaks no TLS
	limits   limits
	leaving  atomic.Bool
	wrote    atomic.Int64 // when a write was last seen to work, by the process's own clock
}

// New assembles a server on an open, migrated database, whose keys must be those of cfg.Secret. It makes the first
// signing keys where there are none. It fails on a bad secret or when the database is away.
func New(ctx context.Context, cfg config.Config, db *storage.DB, log *slog.Logger) (*Server, error) {
	keys, err := identity.NewKeyring(cfg.Secret...)
	if err != nil {
		return nil, fmt.Errorf("SOJOURN_SECRET: %w", err)
	}
	if err := db.Clock().Measure(ctx); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, db: db, log: slog.New(withRequest{log.Handler()}), metrics: newMetrics(cfg.MetricsClients), counting: newCounting(db), limits: ordinary}
	s.metrics.days = s.counting
	s.metrics.showJournal(db.JournalFailures)
	s.metrics.showDeliveries(db.Lists().CountDeliveries, db.Now)
	s.metrics.showDatabase(db)
	if s.traces, err = startTelemetry(ctx, cfg, s.metrics, s.log); err != nil {
		return nil, err
	}
	s.metrics.showSpans(&s.traces.exported)
	s.metrics.showBuild(cfg.Version)
	s.metrics.showReady(s.unready)
	if s.logo, err = readLogo(cfg.OperatorLogo); err != nil {
		return nil, err
	}
	if s.places, err = readPlaces(cfg.GeoIP, s.log); err != nil {
		return nil, err
	}
	if s.watch, err = s.watching(); err != nil {
		return nil, err
	}
	subjects, err := db.Subjects(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.assemble(keys, subjects); err != nil {
		return nil, err
	}
	if err := db.LoadWebhooks(ctx); err != nil {
		return nil, err
	}
	if err := s.warnOfAlgs(ctx); err != nil {
		return nil, err
	}
	s.metrics.showStreams(s.protocol.OpenStreams, s.protocol.RefusedStreams)
	s.metrics.showFollowers(s.protocol.Following)
	s.metrics.showKeys(s.protocol.KeysSince, db.Now)
	s.metrics.showRecall(db.Recall)
	s.metrics.showTries(db.RefusedTries)
	s.metrics.showEnded(db.EndedSessions)
	s.metrics.showCarrier(db)
	s.metrics.showReading(db)
	s.metrics.showBlurred(s.counting.tally.Blurred)
	s.metrics.showCount("sojourn_document_writes_refused_total", "Writes to /me/state that were too many of a Session.",
		s.protocol.RefusedWrites)
	s.metrics.showCount("sojourn_token_revocations_refused_total", "Revoked access tokens that were too many of a Session.",
		s.protocol.RefusedRevocations)
	s.handler, err = s.wrap(s.routes())
	return s, err
}

// assemble makes the domain and the surfaces.
func (s *Server) assemble(keys *identity.Keyring, subjects identity.Subjects) (err error) {
	s.keys = keys
	cfg, db := s.cfg, s.db
	policy := identity.MFAPolicy(cfg.MFA)
	passwords := identity.NewPasswords(identity.HashCost(cfg.PasswordCost))
	passwords.Service = cfg.OperatorName
	s.metrics.watchHashes(passwords)
	links := identity.MailLinks{Store: db, Keys: keys, Now: db.Now}
	if s.postman, err = s.newPostman(links); err != nil {
		return err
	}
	fetch := fetchRules{allow: cfg.FetchAllow, loopback: cfg.Loopback()}.client()
	s.clients = oauth.NewClientDocuments(oauth.DocumentOptions{
		Store: db, Now: db.Now, Log: s.log, Schemes: cfg.RedirectSchemes,
		Fetch: s.reading(fetch, "document", documentsAtOnce),
		Rules: identity.DocumentRules{
			On: cfg.TakesDocuments(), Allow: cfg.ClientHosts, Deny: cfg.ClientHostsDeny, Loopback: cfg.Loopback(),
		},
	})
	s.herald = newHerald(db, s.metrics.asked.by(fetch, "webhook", "webhook"))
	signIns := identity.SignIns{
		Store: db, Keys: keys, Passwords: passwords, Now: db.Now,
		Lives:        identity.Lifetimes{Idle: cfg.SignInIdle, Absolute: cfg.SignInAbsolute},
		ConfirmFirst: cfg.SMTP != "" && !cfg.Demo,
	}
	devices := identity.Devices{Store: db, Now: db.Now}
	credentials := identity.Credentials{Store: db, Keys: keys, Passwords: passwords, Now: db.Now}
	s.pages = web.New(web.Options{
		Store: db, Clients: s.clients, Keys: keys, Subjects: subjects, Now: db.Now, SignIns: signIns,
		Users:  identity.Users{Store: db, Passwords: passwords, Now: db.Now},
		Grants: identity.Grants{Store: db, Now: db.Now}, Devices: devices, Credentials: credentials,
		ByMail:   identity.ByMail{Store: db, Links: links, Credentials: credentials, Devices: devices, Now: db.Now},
		MailOn:   cfg.SMTP != "",
		TOTP:     mfa.TOTP{Store: db, Keys: keys, Now: db.Now, Issuer: cfg.OperatorName},
		Recovery: mfa.Recovery{Store: db, Keys: keys, Now: db.Now},
		Desk:     identity.Desk{Store: db, Keys: keys, Now: db.Now}, Door: cfg.DeskAt,
		Policy: policy, SignupOpen: cfg.Signup == config.Open, Secure: s.secure(), Issuer: cfg.Issuer,
		Operator: templates.Operator{Name: cfg.OperatorName, LogoURL: s.logo.url},
		Fetch:    s.reading(fetch, "logo", logosAtOnce), Place: s.places.place,
		Unusual: func(rule string) string { signal, _ := s.watch.Told(rule); return string(signal) },
		Log:     s.log, Register: s.registering(), RegisterToken: cfg.Registration == config.Token,
	})
	s.protocol, err = oauth.New(db, oauth.Options{
		Issuer: cfg.Issuer, AccessTTL: cfg.AccessTTL, Keys: keys, Subjects: subjects, Now: db.Now,
		Sessions: identity.Sessions{
			Store: db, Keys: keys, Now: db.Now, Policy: policy,
			Lives: identity.Lifetimes{Idle: cfg.SessionIdle, Absolute: cfg.SessionAbsolute}, RolledForward: s.rolledForward,
			Refreshed: s.watch.Refreshed,
		},
		SignIns: signIns, SigningKeys: SigningKeys(db, cfg), Policy: policy,
		Devices: devices, Documents: identity.Documents{Store: db},
		SignupOpen:   cfg.Signup == config.Open,
		Registration: cfg.Registration, Schemes: cfg.RedirectSchemes, Clients: s.clients, Claims: claimRules(cfg.Claims), Hook: s.claimsHook(),
		Fetch: s.reading(fetch, "keys", keysAtOnce), Log: s.log,
		FetchRequests: s.reading(fetch, "request", requestsAtOnce),
		Problem:       func(w http.ResponseWriter, r *http.Request, p oauth.Problem) { s.pages.Problem(w, r, web.Problem(p)) },
		Handover: func(w http.ResponseWriter, r *http.Request, h oauth.Handover) {
			s.pages.Handover(w, r, web.Handover(h))
		},
	})
	return err
}

// watching is what looks for anomalies, by the rules of SOJOURN_ANOMALIES.
func (s *Server) watching() (*anomaly.Watch, error) {
	rules, err := anomalyRules(s.cfg.Anomalies)
	if err != nil {
		return nil, err
	}
	return anomaly.New(anomaly.Options{Store: s.db, Now: s.db.Now, Rules: rules, Locate: s.places.locate, Log: s.log}), nil
}

// anomalyRules are those that are shipped with the operator's in their places, or none.
func anomalyRules(setting string) ([]anomaly.Rule, error) {
	switch setting {
	case config.Off:
		return nil, nil
	case config.On:
		return anomaly.Shipped(), nil
	}
	rules, err := anomaly.ReadFile(setting)
	if err != nil {
		return nil, fmt.Errorf("SOJOURN_ANOMALIES: %w", err)
	}
	return rules, nil
}

// Watch is what looks for anomalies; nil where nobody does. Where locate is not nil it says where addresses are, in the place of the file
// of SOJOURN_GEOIP: simulations have no such file. It must be called so before the server serves.
func (s *Server) Watch(locate func(address string) anomaly.Place) *anomaly.Watch {
	s.watch.LocateBy(locate)
	return s.watch
}

// reading is a client like c that reads so many of a kind at once, and is counted. What it posts are logout tokens.
func (s *Server) reading(c *http.Client, what string, atOnce int) *http.Client {
	return s.metrics.asked.by(bounded(c, atOnce, s.metrics.fetches.WithLabelValues(what)), what, "logout")
}

// registering is how the page registers a client, or nil where nobody may.
func (s *Server) registering() func(*http.Request, identity.Metadata, string) (identity.Registered, error) {
	if s.cfg.Registration == config.Closed {
		return nil
	}
	return func(r *http.Request, asked identity.Metadata, initial string) (identity.Registered, error) {
		return s.protocol.RegisterClient(r, asked, initial) // which is made after the pages
	}
}

// Operators is what operators may do to a database, by the admin API and by commands.
func Operators(db *storage.DB, cfg config.Config) identity.Operators {
	return identity.Operators{
		Store: db, Now: db.Now, CleanKeys: oauth.CleanKeys, Schemes: cfg.RedirectSchemes, Algs: cfg.SigningAlgs, MailOn: cfg.SMTP != "",
	}
}

// secure reports whether people reach us by https, be it through a proxy.
func (s *Server) secure() bool { return strings.HasPrefix(s.cfg.Issuer, "https://") }

// Handler serves the public side: the protocol and the pages.
func (s *Server) Handler() http.Handler { return s.handler }

// Handle adds an address of the caller's own to the public side, under the same middleware. It must be called before
// the server serves.
func (s *Server) Handle(path string, h http.Handler) { s.router.Handle(path, h) }

// claimRules are the settings' claims of one's own.
func claimRules(all []config.ClaimRule) []identity.ClaimRule {
	rules := make([]identity.ClaimRule, len(all))
	for i, r := range all {
		rules[i] = identity.ClaimRule{
			Claim: r.Claim, From: r.From, Scope: r.Scope, AccessToken: slices.Contains(r.Places, "access_token"),
			IDToken: slices.Contains(r.Places, "id_token"), Userinfo: slices.Contains(r.Places, "userinfo"),
		}
	}
	return rules
}
