package server

import (
	"context"
	"log/slog"
	"strconv"

	"github.com/sojourn-auth/sojourn/identity"
)

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
