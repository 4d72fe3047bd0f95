package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/admin"
)

// probeTimeout bounds a readiness check: one that hangs is a no.
const probeTimeout = 2 * time.Second

// Admin serves what the operator's machinery asks: /healthz (the process answers), /readyz (it can do its work), /metrics,
// and the management API under /api/. It belongs on a listener that strangers can't reach; the API asks for a token.
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metrics.handler())
	api := s.adminAPI()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, admin.Prefix) { // its own router cleans no path
			api.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
	defer cancel()
	if why := s.unready(ctx); why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// unready returns why no request should come here now, or "". The sentence is fixed: errors go to the log.
func (s *Server) unready(ctx context.Context) string {
	if s.leaving.Load() {
		return "shutting down"
	}
	if err := s.db.Ping(ctx); err != nil {
		s.log.WarnContext(ctx, "not ready", "error", err)
		return "the database does not answer"
	}
	// A clock that differs from the other replicas' makes codes and sessions end too early or too late.
	if err := s.db.Clock().Healthy(); err != nil {
		s.log.WarnContext(ctx, "not ready", "error", err)
		return "the clock can't be measured against the database's"
	}
	// Ahead is fine here: a newer replica migrated while this one still serves.
	current, target, err := s.db.Pending(ctx)
	if err != nil || current < target {
		s.log.WarnContext(ctx, "not ready", "error", err, "schema", current, "needed", target)
		return "the schema is behind: run sojourn migrate"
	}
	return ""
}
