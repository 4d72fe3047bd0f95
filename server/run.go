package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 120 * time.Second
	// shutdownTimeout is how long requests under way may take to finish.
	shutdownTimeout = 20 * time.Second
)

// limits bound an ordinary request.
type limits struct {
	read, write time.Duration // of it and its answer
	answer      time.Duration // what it may wait for: a phone has given up long before
}

var ordinary = limits{read: 15 * time.Second, write: 30 * time.Second, answer: 10 * time.Second}

// ports are the two listeners.
type ports struct{ public, admin net.Listener }

// Run listens and serves until ctx ends, then lets the requests under way finish.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	return s.Serve(ctx)
}

// Listen takes the addresses of SOJOURN_LISTEN and SOJOURN_ADMIN_LISTEN, the first with TLS where a certificate is set.
func (s *Server) Listen(ctx context.Context) (err error) {
	var listen net.ListenConfig
	if s.ports.public, err = listen.Listen(ctx, "tcp", s.cfg.Listen); err != nil {
		return fmt.Errorf("SOJOURN_LISTEN: %w", err)
	}
	if s.ports.admin, err = listen.Listen(ctx, "tcp", s.cfg.AdminListen); err != nil {
		return errors.Join(fmt.Errorf("SOJOURN_ADMIN_LISTEN: %w", err), s.ports.public.Close())
	}
	if s.cfg.TLSCert == "" {
		return nil
	}
	s.own, err = openCertificate(s.cfg.TLSCert, s.cfg.TLSKey, s.log)
	if err != nil {
		return errors.Join(fmt.Errorf("SOJOURN_TLS_CERT: %w", err), s.ports.public.Close(), s.ports.admin.Close())
	}
	s.ports.public = tls.NewListener(s.ports.public, &tls.Config{
		GetCertificate: s.own.get,
		MinVersion:     tls.VersionTLS12,
		CipherSuites:   suites,
		NextProtos:     []string{"h2", "http/1.1"},
	})
	return nil
}

// suites are those of TLS 1.2, the ones of RFC 9325 §4.2 and no other; TLS 1.3 has its own, all good.
var suites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
}

// Serve serves on what Listen took, with the loops behind it, until ctx ends or a listener breaks. Then it drains, streams
// are sent elsewhere, no new request is taken, and those under way have 20 seconds.
func (s *Server) Serve(until context.Context) error {
	ctx, stop := context.WithCancel(context.WithoutCancel(until)) // the loops go on while it drains
	defer stop()
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){
		s.protocol.Run, s.db.Clock().Run, s.db.Carry, s.db.WatchChanges, s.db.WatchMarks, s.watchWebhooks, s.sweep, s.tidy, s.addNumbers, s.rollUp,
		s.checkDocuments, s.warnOfRisks, s.warnOfNoMail, s.own.watch,
		s.places.watch, s.watch.Run,
	} {
		loops.Go(func() { loop(ctx) })
	}
	for _, c := range s.couriers() {
		loops.Go(func() { c.run(ctx) })
	}
	public, admin := s.httpServer(s.partings(s.handler)), s.httpServer(s.Admin())
	broken := make(chan error, 2)
	go func() { broken <- public.Serve(s.ports.public) }()
	go func() { broken <- admin.Serve(s.ports.admin) }()
	s.log.InfoContext(ctx, "database", s.db.Connections())
	s.log.InfoContext(ctx, "listening", "issuer", s.cfg.Issuer,
		"address", s.ports.public.Addr().String(), "admin", s.ports.admin.Addr().String())

	var err error
	select {
	case <-until.Done():
		err = s.drain(broken)
	case err = <-broken:
	}
	s.leaving.Store(true)
	s.log.InfoContext(ctx, "shutting down")
	stop()
	err = errors.Join(err, shutdown(public), shutdown(admin))
	loops.Wait()
	s.traces.stop()
	return err
}

// drain serves on for a while, with /readyz saying no, so that balancers look elsewhere before the listener closes.
func (s *Server) drain(broken <-chan error) error {
	s.leaving.Store(true)
	if s.cfg.Drain == 0 {
		return nil
	}
	s.log.Info("leaving: /readyz says so, and requests are still served", "for", s.cfg.Drain.String())
	select {
	case <-time.After(s.cfg.Drain):
		return nil
	case err := <-broken:
		return err
	}
}

// partings has each answer of a server that leaves be the last on its connection: a balancer must not send the next request
// there just when the connection is closed. Idle ones stay open while it drains, for the same reason.
func (s *Server) partings(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       s.limits.read,
		WriteTimeout:      s.limits.write,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // broken handshakes of strangers
	}
}

func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), server.Close())
	}
	return nil
}

// rolledForward raises the alarm over a Session that was ahead of its row: the database lost what it had committed, in a
// crash, by the promotion of a replica or because a backup was restored. The person notices nothing, but endings may be
// lost too. Where the operator announced the recovery it is only noted.
func (s *Server) rolledForward(ctx context.Context, row identity.Session) {
	level, announced := slog.LevelError, s.db.Now().Before(s.cfg.RecoveryUntil)
	if announced {
		level = slog.LevelInfo
	}
	s.metrics.rolled.WithLabelValues(strconv.FormatBool(announced)).Inc()
	s.log.Log(ctx, level, "a session was ahead of the database, which has lost commits", "session", row.ID.String(),
		"user", row.UserID.String(), "client", row.ClientID)
}

// warnOfRisks says once how the database as it is set up could lose endings.
func (s *Server) warnOfRisks(ctx context.Context) {
	risks, err := s.db.EndingsAtRisk(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "whether the database could lose endings is unknown", "error", err)
	}
	for _, risk := range risks {
		s.log.WarnContext(ctx, risk)
	}
}

const (
	sweepFirst  = time.Minute // after the start, when the rush is over
	sweepEvery  = 10 * time.Minute
	sweepSpread = time.Minute // by chance, so that replicas that started together do not come together
)

// sweep removes what is over for good, until ctx ends: of all replicas, one does. Nothing depends on it but the size of the
// database: expiry is judged when rows are read.
func (s *Server) sweep(ctx context.Context) {
	nowAndThen(ctx, func() time.Duration {
		s.sweepOnce(ctx)
		return sweepEvery + spread()
	})
}

// nowAndThen does something soon after the start and again after each rest that it returns, until ctx ends.
func nowAndThen(ctx context.Context, do func() (rest time.Duration)) {
	wait := time.NewTimer(sweepFirst + spread())
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
			wait.Reset(do())
		}
	}
}

func spread() time.Duration {
	return rand.N(sweepSpread) //nolint:gosec // it spreads load, and is no secret
}

// tidyEvery is how often a process looks for endings that others left, or that died with them.
const tidyEvery = 5 * time.Second

// tidy writes the rows, Events and notices of large endings, until ctx ends. All of that is refused already, so on SQLite,
// which has one writer, it rests between the batches as long as one took, that refreshes come first.
func (s *Server) tidy(ctx context.Context) {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		untidy := s.db.Untidy()
		select {
		case <-ctx.Done():
			return
		case <-untidy:
		case <-wait.C:
		}
		began := time.Now()
		more, err := s.db.Tidy(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "tidy after an ending", "error", err)
		}
		rest := tidyEvery
		if more && err == nil {
			rest = 0
			if s.db.Kind() == storage.SQLite {
				rest = time.Since(began)
			}
		}
		wait.Reset(rest)
	}
}

// checkEvery is how often a process looks for clients whose documents are to be read again: each is once a day.
const checkEvery = time.Minute

// checkDocuments reads the documents of clients again, until ctx ends. Each is read by one process.
func (s *Server) checkDocuments(ctx context.Context) {
	nowAndThen(ctx, func() time.Duration {
		more, err := s.clients.Check(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "look at clients' documents", "error", err)
		}
		if more && err == nil {
			return time.Second
		}
		return checkEvery
	})
}

// unusedFor is how long a client that registered itself lives without signing anyone in: at most a day where everyone may
// register. Who was away for longer registers again.
func unusedFor(cfg config.Config) time.Duration {
	if cfg.Registration == config.Open {
		return min(cfg.ClientIdleExpiry, 24*time.Hour)
	}
	return cfg.ClientIdleExpiry
}

func (s *Server) sweepOnce(ctx context.Context) {
	mine, err := s.db.Lease(ctx, "sweep", sweepEvery)
	if err != nil {
		s.log.ErrorContext(ctx, "sweep", "error", err)
		return
	}
	if !mine {
		return
	}
	began := time.Now()
	err = s.sweepAll(ctx)
	outcome := "done"
	if err != nil {
		outcome = "failed"
		s.log.ErrorContext(ctx, "sweep", "error", err)
	}
	s.metrics.upkeep.sweeps.WithLabelValues(outcome).Inc()
	s.metrics.upkeep.sweepTook.Observe(time.Since(began).Seconds())
}

// sweepAll does each part, whatever becomes of the others: what one of them can't do would have the rest grow without end.
func (s *Server) sweepAll(ctx context.Context) error {
	days, sealing := s.db.SealEvents(ctx)
	rows, sweeping := s.db.Sweep(ctx)
	clients, unused := s.db.SweepClients(ctx, s.db.Now().Add(-unusedFor(s.cfg)))
	unconfirmed, confirming := s.sweepUnconfirmed(ctx)
	numbers, counting := s.db.SweepNumbers(ctx)
	s.metrics.upkeep.sweptRows(rows, clients, unconfirmed)
	s.log.DebugContext(ctx, "swept", "days sealed", days, "rows", rows, "clients", clients, "unconfirmed", unconfirmed, "numbers", numbers)
	return errors.Join(sealing, sweeping, unused, confirming, counting)
}

// sweepUnconfirmed deletes accounts that nobody confirmed for a week. While no mail can be sent nobody is asked to.
func (s *Server) sweepUnconfirmed(ctx context.Context) (int, error) {
	if s.cfg.SMTP == "" {
		return 0, nil
	}
	return s.db.SweepUnconfirmed(ctx, s.db.Now().Add(-identity.KeepUnconfirmed))
}
